// Compiles every port header on its own.
#include "ports/guest.hpp"
#include "ports/runtime.hpp"
#include "ports/storage.hpp"
#include "ports/store.hpp"
