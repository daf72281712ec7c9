#pragma once
// One SSH connection as libssh speaks it, driven by our event loop: libssh is told to do what it
// can without waiting, and we wait for the socket. One thread, no lock, nothing blocks but
// arithmetic.

#include <boost/asio/posix/stream_descriptor.hpp>

#include "async/bell.hpp"
#include "ssh/library.hpp"

namespace matrx::ssh {

class Transport {
 public:
  // The session has its socket already; `watched` is a duplicate of that, ours to wait on.
  Transport(Executor executor, SessionHandle session, int watched);
  ~Transport();
  Transport(const Transport&) = delete;

  // Both until it is over; side by side.
  Task<void> read_loop();
  Task<void> write_loop();

  // Nothing comes or goes any more.
  bool is_over() const { return over_; }
  // Returns when something may have happened: bytes came or went, or it is over.
  Task<void> changed(milliseconds at_most);
  // To be called after whatever made the library read or queue something.
  void stir();
  // What was written has not left yet. Who asks before each write keeps one piece in memory.
  bool is_backed_up() const;

  // The end, for all who use it; the words are for the client.
  void end_with(const std::string& words);
  void end();
  // Sends the words. No channel may be left: the library frees them all here.
  void hang_up();

  ssh_session session() const { return session_.get(); }

 private:
  void turn();

  SessionHandle session_;
  EventHandle event_;
  asio::posix::stream_descriptor watched_;
  bool has_keys_ = false;
  bool over_ = false;
  std::string last_words_;
  Bell queued_;
  Notice changed_;
};

}  // namespace matrx::ssh
