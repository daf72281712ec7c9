#pragma once
// A file on its way in: written under a name of its own in the folder of its target, and given its
// name when it is whole. Blocking, with the rights of the thread it runs on.

#include <optional>
#include <string>
#include <string_view>

#include "agent/file_error.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {

class Upload {
 public:
  enum class Kind { is_new, replaces };
  static constexpr Kind is_new = Kind::is_new;
  static constexpr Kind replaces = Kind::replaces;

  // Makes the parents where they are missing. wrong_type: a folder, a device, a pipe is there.
  static FileResult<Upload> begin(const std::string& path);

  Upload(Upload&& other) noexcept = default;
  Upload& operator=(Upload&&) = delete;
  ~Upload() { drop(); }  // unless it was finished

  FileResult<void> write(std::string_view bytes);
  // False: this file system keeps no attributes.
  FileResult<bool> set_attribute(const std::string& name, const std::string& value);
  // Gives it its name.
  FileResult<void> finish();
  // Removes what is there so far, now: the work that wrote it may hold it for a moment longer.
  void drop();

  const std::string& path() const { return path_; }

 private:
  Upload(std::string path, std::string target)
      : path_(std::move(path)), target_(std::move(target)) {}

  std::string path_;    // as asked for
  std::string target_;  // behind links
  std::string temporary_;
  Descriptor folder_, file_;
};

// A name of that kind, for others that write in the same way.
std::string temporary_upload_name(Upload::Kind kind);

// Nothing for a name that is none of an upload.
std::optional<Upload::Kind> upload_of_temporary_name(std::string_view name);

}  // namespace matrx::agent
