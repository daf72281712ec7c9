#pragma once
// What rclone says of a failure → an error of ours, whose message names the cause in plain words:
// for users, so no address, no path and no name from rclone's text is in it.

#include <string>

#include "base/error.hpp"

namespace matrx::rclone {

// status: of rclone's own answer. words: its text, which goes to the log as it is.
//
// not_found: no such bucket, folder or object, and nothing else: whoever asks takes that for "it is
// not there". exhausted: the store, or this host's disk, is full. unavailable: all the rest.
Error store_error(int status, std::string words);

}  // namespace matrx::rclone
