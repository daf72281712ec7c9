#pragma once
// WebSocket, server side (RFC 6455), by Beast. Pings are answered, fragments joined, text checked
// to be UTF-8; a peer that is silent is pinged, and given up after kWebSocketIdle.

#include <functional>
#include <optional>
#include <string>

#include "http/message.hpp"

namespace matrx::http {

struct WebSocketMessage {
  bool is_text = false;
  std::string bytes;
};

// One read and any number of writes may be under way at once.
class WebSocket {
 public:
  virtual ~WebSocket() = default;

  // Nothing: the peer has closed. unavailable: the connection was lost, or it spoke nonsense.
  virtual Task<Result<std::optional<WebSocketMessage>>> read() = 0;

  // unavailable: it is gone. timeout: it took nothing for kWriteTimeout; the connection is closed.
  virtual Task<Result<void>> write(bool is_text, std::string_view bytes) = 0;

  // Says good-bye; reads end. code: as of RFC 6455 §7.4, 1000 where all is well.
  virtual Task<void> close(int code, std::string_view reason) = 0;

  // Cuts the connection: what is under way ends with an error.
  virtual void abort() = 0;
};

// Is the request one for a WebSocket? invalid: it asks for one in a way that we do not know.
Result<bool> wants_websocket(const Request& request);

// The answer to one. The connection is closed when the handler's task returns. messages larger than
// bytes_max end it.
using WebSocketHandler = std::function<Task<void>(WebSocket& socket)>;
Response websocket_response(const Request& request, std::size_t message_bytes_max,
                            WebSocketHandler handler);

}  // namespace matrx::http
