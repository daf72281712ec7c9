#pragma once
// Terminals over WebSocket: who looks on, and who has the keyboard.

#include <map>
#include <string>

namespace matrx::api {

class TerminalSession;

// One writer for each terminal; the others look on.
class TerminalSeats {
 public:
  // True: the session has the seat now. It goes to whom asks for it first, and from whom has it
  // only by force.
  bool take(const std::string& terminal, TerminalSession& session, bool by_force);
  bool has(const std::string& terminal, const TerminalSession& session) const;
  void leave(const std::string& terminal, const TerminalSession& session);

 private:
  std::map<std::string, TerminalSession*> writers_;
};

}  // namespace matrx::api
