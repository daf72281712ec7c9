#pragma once
// Copies of files on their way to the object store. rclone never sees a home: what it reads was
// read before, by us, through openat2 without following any link, and nobody can change it any
// more. Blocking: for a worker thread.

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace matrx::rclone {

struct StagedFile {
  std::string path;  // of the home
  std::string key;
  std::string md5;  // lower-case hex
};

// What is asked of a home.
struct Wanted {
  std::string folder;
  std::vector<std::string> paths;
  std::size_t prefix_bytes = 0;  // of the keys
  std::int64_t file_bytes_max = INT64_MAX;
};

// at_rest: nobody changes them any more, so that one for whose copy the disk has no room is taken
// under a second name instead.
enum class Sources { may_change, at_rest };

class Staging {
 public:
  // A folder of its own below `root`; with this object it goes, on one of the threads: thousands of
  // files are too many for the thread that everybody waits for.
  static Result<Staging> make(const std::string& root, boost::asio::thread_pool& threads,
                              Sources sources = Sources::may_change);
  Staging(Staging&& other) noexcept
      : folder_(std::exchange(other.folder_, {})),
        threads_(other.threads_),
        sources_(other.sources_) {}
  Staging& operator=(Staging&&) = delete;
  ~Staging();

  const std::string& folder() const { return folder_; }

  // Takes files in order until there are enough (kStagedFilesMax, kStagedBytesMax and a share of
  // the free disk) or the disk is full; the rest comes in the next round. What is no regular file
  // any more, or has a name that no key can carry, is left out; what a program holds is counted.
  // exhausted: not even the first one finds room.
  struct Taken {
    std::vector<StagedFile> files;
    std::size_t paths = 0;  // that are dealt with
    std::size_t held = 0;   // of these
  };
  Result<Taken> take(const Wanted& wanted, std::size_t first) const;

  // Empties the folder.
  void clear() const;

 private:
  Staging(std::string folder, boost::asio::thread_pool& threads, Sources sources)
      : folder_(std::move(folder)), threads_(&threads), sources_(sources) {}
  std::string folder_;
  boost::asio::thread_pool* threads_;
  Sources sources_;
};

}  // namespace matrx::rclone
