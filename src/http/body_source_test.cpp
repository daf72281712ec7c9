// Requests whose body is a source, against servers that take it, refuse it and break.

#include "fakes/server_test.hpp"

namespace matrx::http {
namespace {

// Pieces, then its end or an error.
class Pieces : public ByteSource {
 public:
  explicit Pieces(std::vector<std::string> pieces, std::optional<Error> error = {})
      : pieces_(std::move(pieces)), error_(std::move(error)) {}

  Task<Result<std::string>> read_some() override {
    if (given_ < pieces_.size()) co_return pieces_[given_++];
    if (error_) co_return std::unexpected(*error_);
    co_return std::string();
  }
  std::size_t given() const { return given_; }

 private:
  std::vector<std::string> pieces_;
  std::optional<Error> error_;
  std::size_t given_ = 0;
};

Task<Response> answer_upload(Request& request) {
  if (request.path == "/refuse") co_return Response{.status = 413};
  const auto announced = request.body_reader->announced_bytes();
  auto body = co_await request.body_reader->read_all(std::size_t{8} << 20);
  if (!body) co_return Response{.status = 400};
  Response response;
  response.body = (announced ? std::to_string(*announced) : "chunked") + ":" +
                  std::to_string(body->size()) + ":" + body->substr(0, 12);
  co_return response;
}

class BodySourceTest : public ServerTest {
 protected:
  struct Told {
    int status = 0;
    std::string body;
    Code code = Code::internal;  // where there was no answer
  };

  static Task<Told> send(std::string port, std::string target, ByteSource& source,
                         std::optional<std::uint64_t> bytes) {
    Client client = client_to(port);
    ClientRequest request{.method = Method::put, .target = std::move(target)};
    request.body_source = &source;
    request.body_source_bytes = bytes;
    auto opened = co_await client.open(std::move(request));
    if (!opened) co_return Told{.code = opened.error().code};
    Told told{.status = (*opened)->status()};
    for (;;) {
      const auto piece = co_await (*opened)->read_some();
      if (!piece || piece->empty()) co_return told;
      told.body += *piece;
    }
  }

  Told tell(const std::string& target, ByteSource& source,
            std::optional<std::uint64_t> bytes = std::nullopt) {
    Told told;
    with_server(answer_upload, [&](std::string port) -> Task<void> {
      told = co_await send(port, target, source, bytes);
    });
    return told;
  }
};

TEST_F(BodySourceTest, OfUnknownLengthGoesInChunks) {
  Pieces source({"one ", "two ", "three"});
  const Told told = tell("/", source);
  EXPECT_EQ(told.status, 200);
  EXPECT_EQ(told.body, "chunked:13:one two thre");
}

TEST_F(BodySourceTest, OfKnownLengthIsAnnounced) {
  Pieces source({"one ", "two ", "three"});
  EXPECT_EQ(tell("/", source, 13).body, "13:13:one two thre");
  Pieces nothing({});
  EXPECT_EQ(tell("/", nothing, 0).body, "0:0:");
}

TEST_F(BodySourceTest, WhatHasAnotherLengthThanAnnouncedIsNoAnswer) {
  Pieces few({"one"});
  EXPECT_EQ(tell("/", few, 13).code, Code::invalid);
  Pieces many({"one ", "two ", "three ", "four"});
  EXPECT_EQ(tell("/", many, 13).code, Code::invalid);
}

TEST_F(BodySourceTest, ASourceThatBreaksIsTheErrorAndNoBodyThatLooksWhole) {
  Pieces source({"one "}, Error{Code::invalid, "The source broke.", {}});
  EXPECT_EQ(tell("/", source).code, Code::invalid);
}

TEST_F(BodySourceTest, AnEarlyRefusalEndsTheSending) {
  Pieces source(std::vector<std::string>(1000, std::string(64 * 1024, 'x')));
  EXPECT_EQ(tell("/refuse", source).status, 413);
  EXPECT_LT(source.given(), 1000U);
}

}  // namespace
}  // namespace matrx::http
