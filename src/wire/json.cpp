#include "wire/json.hpp"

namespace matrx::json {
namespace {

constexpr std::size_t kDepthMax = 32;  // deeper nesting is an attack on the stack, not data

}  // namespace

Result<value> parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code ec;
  const std::size_t used = parser.write_some(text.data(), text.size(), ec);
  if (!ec && used < text.size()) ec = boost::json::error::extra_data;
  if (!ec) parser.finish(ec);
  if (ec) {
    return fail(Code::invalid,
                "JSON decode error at byte " + std::to_string(used) + ": " + ec.message());
  }
  return parser.release();
}

std::optional<Pairs> decode_pairs(std::string_view text) {
  const auto parsed = parse(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  Pairs pairs;
  for (const auto& member : parsed->get_object()) {
    const auto* string = member.value().if_string();
    pairs.emplace_back(std::string(member.key()),
                       string != nullptr ? to_string(*string) : serialize(member.value()));
  }
  return pairs;
}

std::string encode_pairs(const Pairs& pairs) {
  object members;
  for (const auto& [name, text] : pairs) members[name] = text;
  return serialize(members);
}

std::string_view text_at(const object& from, std::string_view name) {
  const value* found = from.if_contains(name);
  const auto* text = found ? found->if_string() : nullptr;
  return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

std::int64_t integer_at(const object& from, std::string_view name, std::int64_t fallback) {
  const value* found = from.if_contains(name);
  if (found == nullptr || !found->is_number()) return fallback;
  boost::system::error_code ec;
  const auto number = found->to_number<std::int64_t>(ec);
  return ec ? fallback : number;
}

bool flag_at(const object& from, std::string_view name) {
  const value* found = from.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

const object* object_at(const object& from, std::string_view name) {
  const value* found = from.if_contains(name);
  return found ? found->if_object() : nullptr;
}

const array* array_at(const object& from, std::string_view name) {
  const value* found = from.if_contains(name);
  return found ? found->if_array() : nullptr;
}

}  // namespace matrx::json
