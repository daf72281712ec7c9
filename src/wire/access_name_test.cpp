#include "wire/access_name.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

const std::string kProof = "0123456789abcdef0123456789abcdef";

TEST(AccessName, ComesBackAsItWas) {
  const std::string text = "sbx-0123456789ab.1763757600." + kProof;
  const auto name = decode_access_name(text);
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->sandbox.text(), "sbx-0123456789ab");
  EXPECT_EQ(name->expires_at.time_since_epoch().count(), 1'763'757'600);
  EXPECT_EQ(name->proof, kProof);
  EXPECT_EQ(encode_access_name(*name), text);
}

TEST(AccessName, TakesNothingElse) {
  for (const std::string& text :
       {std::string(), std::string("sbx-0123456789ab"), "sbx-0123456789ab.1." + kProof + "0",
        "sbx-0123456789ab.01." + kProof, "sbx-0123456789ab.-1." + kProof,
        "sbx-0123456789ab.+1." + kProof, "sbx-0123456789ab.1 ." + kProof,
        "sbx-0123456789aB.1." + kProof, "sbx-0123456789ab.." + kProof,
        "sbx-0123456789ab.99999999999999999999." + kProof, "sbx-0123456789ab.1." + kProof + ".",
        std::string("sbx-0123456789ab.1.0123456789ABCDEF0123456789abcdef")}) {
    EXPECT_FALSE(decode_access_name(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace matrx
