#include "ports/storage.hpp"

namespace matrx {

std::string_view tier_name(Tier tier) { return tier == Tier::hot ? "hot" : "cold"; }

}  // namespace matrx
