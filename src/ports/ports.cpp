// Compiles every port header on its own.
#include "ports/store.hpp"
#include "ports/runtime.hpp"
#include "ports/guest.hpp"
