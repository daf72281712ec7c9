#pragma once
// Bytes → HTTP messages, without I/O: Beast's parser behind two plain classes. Only *.cpp of this
// folder include it.

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/parser.hpp>
#include <string>

#include "http/message.hpp"

namespace matrx::http {

namespace beast = boost::beast;

// Body that only appends: unlike string_body it reserves nothing on the word of a Content-Length.
struct AppendBody {
  using value_type = std::string;

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(beast::http::header<is_request, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& ec) { ec = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& ec) {
      ec = {};
      std::size_t bytes = 0;
      for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
           ++it) {
        const asio::const_buffer piece(*it);
        body_.append(static_cast<const char*>(piece.data()), piece.size());
        bytes += piece.size();
      }
      return bytes;
    }
    void finish(boost::system::error_code& ec) { ec = {}; }

   private:
    value_type& body_;
  };
};

// Takes bytes in pieces of any size; body bytes come out in pieces through take_body().
template <bool is_request>
class MessageParser {
 public:
  enum class Need { more, nothing, failed };

  MessageParser() {
    parser_.body_limit(boost::none);  // whoever reads the body limits it
    parser_.header_limit(kHeaderLimit);
  }

  // Parses from `buffer`, and erases what it used. nothing: the header is complete (without
  // with_body), or the message is.
  Need feed(std::string& buffer, bool with_body) {
    parser_.eager(with_body);
    std::size_t used = 0;
    boost::system::error_code ec;
    while (used < buffer.size() && !finished(with_body)) {
      const std::size_t count =
          parser_.put(asio::const_buffer(buffer.data() + used, buffer.size() - used), ec);
      used += count;
      if (ec == beast::http::error::need_more) {
        ec = {};
        if (count == 0) break;
        continue;
      }
      if (ec) break;
    }
    buffer.erase(0, used);
    if (ec) {
      problem_ = ec;
      return Need::failed;
    }
    return finished(with_body) ? Need::nothing : Need::more;
  }

  // The connection ended: a message that lasts until the end is complete now.
  Need feed_end() {
    boost::system::error_code ec;
    parser_.put_eof(ec);
    problem_ = ec;
    return ec ? Need::failed : Need::nothing;
  }

  bool header_done() const { return parser_.is_header_done(); }
  bool done() const { return parser_.is_done(); }
  bool keep_alive() const { return parser_.keep_alive(); }
  bool until_end() const { return parser_.need_eof(); }
  void skip_body() { parser_.skip(true); }
  bool header_too_large() const { return problem_ == beast::http::error::header_limit; }
  std::optional<std::uint64_t> content_length() const {
    const auto length = parser_.content_length();
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
  }
  bool has_body() const { return parser_.chunked() || parser_.content_length().value_or(0) > 0; }
  std::string take_body() { return std::exchange(parser_.get().body(), {}); }
  std::size_t body_bytes_ready() const { return parser_.get().body().size(); }
  std::string problem() const { return problem_.message(); }
  const auto& message() const { return parser_.get(); }

 private:
  static constexpr std::uint32_t kHeaderLimit = 16 * 1024;

  bool finished(bool with_body) const {
    return with_body ? parser_.is_done() : parser_.is_header_done();
  }

  beast::http::parser<is_request, AppendBody> parser_;
  boost::system::error_code problem_;
};

inline Headers to_headers(const beast::http::fields& fields) {
  Headers headers;
  for (const auto& field : fields) {
    const auto name = field.name_string();
    const auto value = field.value();
    headers.add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  return headers;
}

}  // namespace matrx::http
