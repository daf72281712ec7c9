#pragma once
// Connections whose other side has gone without a word.

namespace matrx {

// After a minute of silence the kernel asks, and four answers missed (a minute more) end the
// connection. Linux gives this to each socket that a listening one accepts.
void ask_after_silence(int socket);

}  // namespace matrx
