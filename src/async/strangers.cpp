#include "async/strangers.hpp"

#include <algorithm>

namespace matrx {

std::string source_of(const boost::asio::ip::address& address) {
  using boost::asio::ip::address_v6;
  if (address.is_v4()) return address.to_string();
  if (address.to_v6().is_v4_mapped()) {
    return make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + bytes.size() / 2, bytes.end(), 0);
  return address_v6(bytes).to_string() + "/64";
}

}  // namespace matrx
