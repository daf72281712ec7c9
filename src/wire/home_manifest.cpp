#include "wire/home_manifest.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "wire/json_array.hpp"

namespace matrx {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kNameBytesMax = 255;  // NAME_MAX
constexpr std::uint32_t kModeMax = 07777;
constexpr std::string_view kEnd = "]}";

std::string_view kind_name(NodeKind kind) {
  switch (kind) {
    case NodeKind::file:
      return "file";
    case NodeKind::folder:
      return "folder";
    case NodeKind::link:
      return "link";
  }
  return "";
}

void put_bytes(json::object& into, const std::string& name, const std::string& bytes) {
  if (utf8_length(bytes)) {
    into[name] = bytes;
  } else {
    into[name + "_base64"] = base64_encode(bytes);
  }
}

// What holds for whoever writes one and for whoever reads it.
bool can_be_in_home(const std::string& path, const HomeNode& node) {
  const bool is_link = node.kind == NodeKind::link;
  const bool has_target = !node.target.empty() && node.target.size() < kPathBytesMax &&
                          node.target.find('\0') == std::string::npos;
  return is_home_path(path) && node.mode <= kModeMax && node.size_bytes >= 0 &&
         node.hole_bytes >= 0 && node.hole_bytes <= node.size_bytes &&
         (is_link ? has_target : node.target.empty());
}

std::unexpected<Error> impossible_node() {
  return fail(Code::invalid, "The manifest has a node that cannot be in a home.");
}

// How much is in a manifest, as it is written or read.
class Sum {
 public:
  explicit Sum(const ManifestLimits& limits) : limits_(limits) {}

  // A tree takes more than its text: each node some two hundred bytes, and its names.
  Result<void> add(const std::string& path, const HomeNode& node) {
    names_bytes_ += path.size() + node.target.size();
    if (++nodes_ > limits_.nodes_max || names_bytes_ > limits_.names_bytes_max) return too_large();
    return {};
  }
  Result<void> check_text(std::size_t bytes) const {
    if (bytes > limits_.bytes_max) return too_large();
    return {};
  }

 private:
  static std::unexpected<Error> too_large() {
    return fail(Code::too_large,
                "The home has more files and folders, or longer names, than can be written down.");
  }

  ManifestLimits limits_;
  std::size_t nodes_ = 0, names_bytes_ = 0;
};

std::optional<std::string> bytes_at(const json::object& from, const std::string& name) {
  if (const auto coded = json::text_at(from, name + "_base64"); !coded.empty()) {
    return base64_decode(coded);
  }
  return std::string(json::text_at(from, name));
}

std::optional<HomeNode> decode_node(const json::object& from) {
  HomeNode node;
  const auto kind = json::text_at(from, "kind");
  const auto target = bytes_at(from, "target");
  const auto mode = json::integer_at(from, "mode", -1);
  const auto uid = json::integer_at(from, "uid", -1), gid = json::integer_at(from, "gid", -1);
  node.size_bytes = json::integer_at(from, "size", 0);
  node.hole_bytes = json::integer_at(from, "holes", 0);
  constexpr std::int64_t kIdMax = UINT32_MAX;
  const bool numbers =
      mode >= 0 && mode <= kModeMax && uid >= 0 && uid <= kIdMax && gid >= 0 && gid <= kIdMax;
  if (!numbers || !target) return std::nullopt;
  node.mode = static_cast<std::uint32_t>(mode);
  node.uid = static_cast<std::uint32_t>(uid);
  node.gid = static_cast<std::uint32_t>(gid);
  node.modified_ns = json::integer_at(from, "modified_ns", 0);
  node.changed_ns = json::integer_at(from, "changed_ns", 0);
  node.target = *target;
  node.tag = json::text_at(from, "tag");
  node.writer = json::text_at(from, "writer");
  if (kind == "file") {
    node.kind = NodeKind::file;
  } else if (kind == "folder") {
    node.kind = NodeKind::folder;
  } else if (kind == "link") {
    node.kind = NodeKind::link;
  } else {
    return std::nullopt;
  }
  return node;
}

}  // namespace

bool is_home_path(std::string_view path) {
  if (path.empty() || path.size() >= kPathBytesMax) return false;
  if (path.find('\0') != std::string_view::npos) return false;
  return std::ranges::all_of(split(path, '/'), [](std::string_view part) {
    return !part.empty() && part.size() <= kNameBytesMax && part != "." && part != "..";
  });
}

Result<std::string> encode_manifest(const HomeTree& tree, const ManifestLimits& limits) {
  Sum sum(limits);
  // Node by node: a document of a hundred thousand nodes would take ten times its text.
  std::string text = "{\"version\":" + std::to_string(kVersion) + ",\"nodes\":[";
  const char* separator = "";
  for (const auto& [path, node] : tree) {
    if (!can_be_in_home(path, node)) return impossible_node();
    CHECK_OK(sum.add(path, node));
    json::object out;
    put_bytes(out, "path", path);
    out["kind"] = kind_name(node.kind);
    out["mode"] = node.mode;
    out["uid"] = node.uid;
    out["gid"] = node.gid;
    out["modified_ns"] = node.modified_ns;
    if (node.changed_ns != 0) out["changed_ns"] = node.changed_ns;
    if (node.kind == NodeKind::file) {
      out["size"] = node.size_bytes;
      if (node.hole_bytes != 0) out["holes"] = node.hole_bytes;
      out["tag"] = to_valid_utf8(node.tag);
    }
    if (node.kind == NodeKind::link) put_bytes(out, "target", node.target);
    if (!node.writer.empty()) out["writer"] = to_valid_utf8(node.writer);
    text += separator;
    text += json::serialize(out);
    separator = ",";
    CHECK_OK(sum.check_text(text.size() + kEnd.size()));
  }
  text += kEnd;
  return text;
}

Result<HomeTree> decode_manifest(std::string_view text, const ManifestLimits& limits) {
  Sum sum(limits);
  CHECK_OK(sum.check_text(text.size()));
  HomeTree tree;
  const auto add = [&](const json::value& entry) -> Result<void> {
    const json::object* from = entry.if_object();
    auto path = from ? bytes_at(*from, "path") : std::nullopt;
    auto node = from ? decode_node(*from) : std::nullopt;
    if (!path || !node || !can_be_in_home(*path, *node)) return impossible_node();
    CHECK_OK(sum.add(*path, *node));
    if (!tree.emplace(*std::move(path), *std::move(node)).second) {
      return fail(Code::invalid, "The manifest names a path twice.");
    }
    return {};
  };
  TRY(read, json::parse_array_in(text, "nodes", add));
  if (!read.has_array || json::integer_at(read.others, "version") != kVersion) {
    return fail(Code::invalid, "The manifest is not of a version that is known here.");
  }
  return tree;
}

}  // namespace matrx
