#include "adapters/rclone/store_errors.hpp"

#include <gtest/gtest.h>

namespace matrx::rclone {
namespace {

// What rclone 1.60 says, and later ones.
struct Said {
  const char* words;
  Code code;
  const char* message;  // a part of it
};

constexpr Said kSaid[] = {
    {"SlowDown: please\n\tstatus code: 503, request id: 1, host id: h", Code::unavailable, "503"},
    {"operation error S3: PutObject, https response error StatusCode: 500, RequestID: 1, api error "
     "InternalError: x",
     Code::unavailable, "answers 500"},
    {"Forbidden: Forbidden\n\tstatus code: 403, request id: , host id: ", Code::unavailable,
     "denies access"},
    {"SignatureDoesNotMatch: \n\tstatus code: 403, request id: 1", Code::unavailable,
     "credentials"},
    {"RequestError: send request failed\ncaused by: Put \"http://10.0.0.1:9/b/k\": dial tcp "
     "10.0.0.1:9: connect: connection refused",
     Code::unavailable, "refuses connections"},
    {"read tcp 127.0.0.1:4->127.0.0.1:5: read: connection reset by peer", Code::unavailable,
     "broke off"},
    {"SerializationError: failed to decode\n\tstatus code: 200, request id: 1\ncaused by: "
     "unexpected "
     "EOF",
     Code::unavailable, "broke off"},
    {"Put \"http://h/b/k\": net/http: TLS handshake timeout", Code::unavailable, "in time"},
    {"write /d/x.partial: no space left on device", Code::exhausted, "disk"},
    {"QuotaExceeded: \n\tstatus code: 403, request id: 1", Code::exhausted, "full"},
    {"NoSuchBucket: The bucket is not there\n\tstatus code: 404, request id: 1", Code::not_found,
     "bucket"},
    {"error in ListJSON: directory not found", Code::not_found, "no such object"},
    {"something new", Code::unavailable, "does not work"},
};

TEST(StoreErrors, NameTheCauseInPlainWords) {
  for (const Said& said : kSaid) {
    const Error error = store_error(500, said.words);
    EXPECT_EQ(error.code, said.code) << said.words;
    EXPECT_TRUE(error.message.contains(said.message)) << error.message;
    EXPECT_FALSE(error.internal.empty());
    for (const char* inside : {"10.0.0.1", "127.0.0.1", "http", "/d/x", "request id"}) {
      EXPECT_FALSE(error.message.contains(inside)) << error.message;
    }
  }
}

// An empty listing would be taken for a home whose files are all deleted.
TEST(StoreErrors, NobodysNamesMakeAnythingMissing) {
  for (const char* words :
       {"Get \"http://h/b?prefix=users/NoSuchBucket/hot\": dial tcp: connect: connection refused",
        "Put \"http://h/b/users/u/hot/object not found\": EOF",
        "Put \"http://h/b/users/u/hot/status code: 404\": SlowDown: x\n\tstatus code: 503, id",
        "directory not found: dial tcp: i/o timeout", "Get \"http://h/404\": EOF"}) {
    EXPECT_EQ(store_error(500, words).code, Code::unavailable) << words;
  }
  EXPECT_EQ(store_error(404, "error in ListJSON").code, Code::not_found);
}

}  // namespace
}  // namespace matrx::rclone
