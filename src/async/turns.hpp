#pragma once
// One at a time per key, in order of arrival: a mutex for coroutines of one thread.

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "async/task.hpp"

namespace matrx {

class Turns {
 public:
  // Held while it lives; the next in line goes on when it is destroyed. Must not outlive Turns.
  class Turn {
   public:
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), key_(std::move(other.key_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_) turns_->release(key_);
    }

   private:
    friend class Turns;
    Turn(Turns* turns, std::string key) : turns_(turns), key_(std::move(key)) {}
    Turns* turns_;
    std::string key_;
  };

  // Waits for its turn. Cancellation-safe.
  Task<Turn> take(std::string key);

  // Nothing where somebody has it.
  std::optional<Turn> try_take(const std::string& key);

  std::size_t held() const { return lines_.size(); }

 private:
  struct Waiter;
  using Line = std::list<Waiter*>;

  void release(const std::string& key);

  std::unordered_map<std::string, Line> lines_;  // present = held; the list waits
};

// At most `limit` at once, in order of arrival.
class Slots {
 public:
  explicit Slots(std::size_t limit) : limit_(limit) {}

  class Slot {
   public:
    Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (slots_) slots_->release();
    }

   private:
    friend class Slots;
    explicit Slot(Slots* slots) : slots_(slots) {}
    Slots* slots_;
  };

  Task<Slot> take();
  std::size_t waiting() const { return line_.size(); }

 private:
  struct Waiter;
  void release();

  std::size_t limit_;
  std::size_t used_ = 0;
  std::list<Waiter*> line_;
};

}  // namespace matrx
