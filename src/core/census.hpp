#pragma once
// Which sandboxes of this host have not ended, by user: known without asking anybody, so that GET
// /health never waits, and a limit holds however many creates come at once.

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "model/sandbox.hpp"

namespace matrx {

class Census {
 public:
  struct Limits {
    int sandboxes = 0, sandboxes_of_user = 0;  // 0: none
  };
  explicit Census(Limits limits) : limits_(limits) {}

  // Held from before a row is added until it is counted. Must not outlive the census.
  class Seat {
   public:
    Seat(Seat&& other) noexcept
        : census_(std::exchange(other.census_, nullptr)), user_(std::move(other.user_)) {}
    Seat& operator=(Seat&&) = delete;
    ~Seat() {
      if (census_ != nullptr) census_->leave(user_);
    }

   private:
    friend class Census;
    Seat(Census* census, std::string user) : census_(census), user_(std::move(user)) {}
    Census* census_;
    std::string user_;
  };

  // exhausted: as many as there may be, of this user or of all; the message says which.
  Result<Seat> take_seat(const std::string& user_id);

  void add(const SandboxId& id, const std::string& user_id);
  void remove(const SandboxId& id);

  // Others write rows as well, and rows may be removed by hand: so it is counted again now and
  // then. What is added or removed between the two calls counts as it was told, since the rows may
  // have been read before it. One count at a time; a second one begins it anew.
  void begin_count() { changed_.emplace(); }
  void finish_count(const std::vector<Sandbox>& rows);

  std::int64_t active() const { return static_cast<std::int64_t>(active_.size()); }

 private:
  void enter(const std::string& user) { ++of_user_[user]; }
  void leave(const std::string& user);  // of a seat
  void drop(const std::string& user);

  Limits limits_;
  std::unordered_map<SandboxId, std::string> active_;  // and whose
  std::unordered_map<std::string, int> of_user_;       // those, and seats
  std::size_t seats_ = 0;
  // Since begin_count(): whose it is, or nothing where it has ended.
  std::optional<std::unordered_map<SandboxId, std::optional<std::string>>> changed_;
};

}  // namespace matrx
