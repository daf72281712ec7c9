#pragma once
// Who goes when too many have come that nobody knows yet: the one that has been here longest, so
// that whoever comes next is heard. No source uses up the share of the others.
//
// Connections are pointers in order of arrival, each with is_stranger() and source().

#include <boost/asio/ip/address.hpp>
#include <map>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>

namespace matrx {

// Whose share a connection counts against: an address; of IPv6 the /64, which one customer has.
std::string source_of(const boost::asio::ip::address& address);

template <class Connection>
struct Strangers {
  std::size_t count = 0;
  Connection* oldest = nullptr;
};

template <std::ranges::range List>
auto strangers_of(List&& connections, std::string_view source) {
  Strangers<std::remove_pointer_t<std::ranges::range_value_t<List>>> found;
  for (auto* one : connections) {
    if (!one->is_stranger() || one->source() != source) continue;
    if (found.count++ == 0) found.oldest = one;
  }
  return found;
}

// The oldest stranger of the source that has most of them; null: there is none.
template <std::ranges::range List>
auto oldest_of_most(List&& connections) {
  using Found = Strangers<std::remove_pointer_t<std::ranges::range_value_t<List>>>;
  std::map<std::string_view, Found> sources;
  Found most;
  for (auto* one : connections) {
    if (!one->is_stranger()) continue;
    Found& of_source = sources[one->source()];
    if (of_source.count++ == 0) of_source.oldest = one;
    if (of_source.count > most.count) most = of_source;
  }
  return most.oldest;
}

}  // namespace matrx
