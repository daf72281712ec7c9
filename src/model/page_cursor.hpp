#pragma once
// Where a page of a newest-first listing ended: opaque to callers, the same in every store.

#include <string>

#include "base/error.hpp"
#include "model/sandbox.hpp"

namespace matrx {

struct PageCursor {
  TimePoint created_at;
  SandboxId id;

  static PageCursor at(const Sandbox& last) { return {last.created_at, last.id}; }
  static Result<PageCursor> parse(std::string_view text);  // invalid: not one of ours
  std::string text() const;

  // True where the row comes on a later page.
  bool is_before(const Sandbox& row) const {
    return std::pair(row.created_at, row.id) < std::pair(created_at, id);
  }
};

}  // namespace matrx
