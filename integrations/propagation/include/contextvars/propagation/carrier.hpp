// SPDX-License-Identifier: MIT
//
// inject(carrier) writes what the current context sends to the next process; extract(carrier) makes
// a context of what came from the last one. A carrier is a view of the headers of a message:
// HTTP's, gRPC's metadata, the properties of a queue, an environment.
#ifndef CONTEXTVARS_PROPAGATION_CARRIER_HPP
#define CONTEXTVARS_PROPAGATION_CARRIER_HPP

#include <contextvars/context.hpp>
#include <contextvars/propagation/fault.hpp>
#include <contextvars/propagation/variables.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <string>
#include <string_view>

namespace contextvars::inline v0::propagation {

/// `carrier.get_all(name)` is a range of the values of all headers of that name, in their order.
/// Names are given in lower case; whether another spelling is found, the carrier decides. The text
/// that the elements refer to is good for as long as the carrier's message does not change.
template <class C>
concept carrier_to_read = requires(const C& carrier, std::string_view name) {
    { carrier.get_all(name) } -> std::ranges::input_range;
    requires std::convertible_to<std::ranges::range_reference_t<decltype(carrier.get_all(name))>,
                                 std::string_view>;
};

/// `carrier.set(name, value)` adds a header. The views are good until it returns.
template <class C>
concept carrier_to_write =
    carrier_to_read<C> && requires(C& carrier, std::string_view name, std::string_view value) {
        carrier.set(name, value);
    };

/// The header in which the time that is left crosses.
enum class deadline_header : unsigned char {
    none,  ///< the deadline does not cross
    envoy, ///< x-envoy-expected-rq-timeout-ms, which Envoy sets as well
    grpc,  ///< grpc-timeout
};

/// What extract() believes.
struct edge {
    bool trust_baggage = false; ///< without it, incoming baggage is dropped
    bool b3 = false;            ///< if there is no traceparent, B3's headers are read
    bool start_trace = false;   ///< if there is no trace, a new one is started, not sampled
    deadline_header deadline = deadline_header::envoy;
};

/// What inject() writes.
struct headers {
    bool w3c = true; ///< traceparent and tracestate
    bool baggage = true;
    bool b3_single = false;
    bool b3_multi = false;
    deadline_header deadline = deadline_header::envoy;
};

namespace detail {

/// What one message brings. The lines of each header are given in their order.
class incoming {
public:
    explicit incoming(const edge& how) noexcept : how_(how) {}

    /// Each returns whether another line of that header matters.
    CONTEXTVARS_EXPORT bool trace_parent_line(std::string_view line) noexcept;
    CONTEXTVARS_EXPORT bool trace_state_line(std::string_view line);
    CONTEXTVARS_EXPORT bool baggage_line(std::string_view line);
    CONTEXTVARS_EXPORT bool deadline_line(std::string_view line) noexcept;
    CONTEXTVARS_EXPORT bool b3_line(std::size_t header, std::string_view line) noexcept;

    bool reads_b3() const noexcept { return how_.b3 && parent_lines_ == 0; }
    const edge& how() const noexcept { return how_; }
    CONTEXTVARS_EXPORT Context context();

private:
    void read_b3() noexcept;

    edge how_;
    deadline::clock::time_point now_ = deadline::clock::now();
    trace_parent parent_;
    std::size_t parent_lines_ = 0;
    fault parent_fault_ = fault::none;
    const char* parent_header_ = "traceparent";
    trace_state::reader state_;
    bool has_state_ = false;
    baggage::reader baggage_;
    std::size_t untrusted_lines_ = 0;
    deadline deadline_;
    bool has_deadline_ = false;
    std::array<std::string_view, 5> b3_;
    bool b3_repeated_ = false;
};

struct b3_names {
    static constexpr std::array<std::string_view, 5> all = {"b3", "x-b3-traceid", "x-b3-spanid",
                                                            "x-b3-sampled", "x-b3-flags"};
};
constexpr std::string_view name_of(deadline_header header) noexcept {
    return header == deadline_header::grpc ? "grpc-timeout" : "x-envoy-expected-rq-timeout-ms";
}

/// What the current context sends. Its views are good for as long as it lives.
class outgoing {
public:
    CONTEXTVARS_EXPORT explicit outgoing(const headers& which);

    struct header {
        std::string_view name;
        std::string_view value;
    };
    /// Headers of one group are written together, or not at all if one of them is set.
    struct group {
        std::array<header, 4> headers;
        std::size_t size = 0;
    };
    const group* begin() const noexcept { return groups_.data(); }
    const group* end() const noexcept { return groups_.data() + size_; }
    bool out_of_time() const noexcept { return out_of_time_; }

private:
    void add(std::initializer_list<header> together) noexcept;
    void add_trace(const headers& which);
    void add_baggage();
    void add_deadline(deadline_header which);

    Context now_ = copy_context(); // keeps the values
    std::array<char, trace_parent::size> trace_parent_;
    std::array<char, 51> b3_;
    trace_state shortened_;
    baggage baggage_;
    std::string deadline_;
    std::array<group, 5> groups_;
    std::size_t size_ = 0;
    bool out_of_time_ = false;
};

template <class C>
void give(const C& carrier, std::string_view name, auto&& take) {
    for (auto&& value : carrier.get_all(name))
        if (!take(std::string_view(value)))
            return;
}

template <class C>
bool has_any(const C& carrier, const outgoing::group& group) {
    for (std::size_t i = 0; i != group.size; ++i)
        for ([[maybe_unused]] auto&& value : carrier.get_all(group.headers[i].name))
            return true;
    return false;
}

} // namespace detail

/// Reads the headers of a message.
/// Returns: a copy of the current context in which the trace and its state, the baggage and the
/// variables that are exported are those of the message. What the message does not bring is
/// nothing there, not what the current context has. The deadline is the earlier one of the
/// message's and the current. What is invalid or exceeds the limits is dropped, and told to the
/// hook of set_dropped_hook().
/// Throws: std::bad_alloc; any exception of the carrier; std::system_error if a trace is to be
/// started, and the system has no random numbers.
/// Cost: O(bytes of these headers), up to their limits; a traceparent alone takes no allocation but
/// those of the context.
template <carrier_to_read C>
[[nodiscard("extract() changes nothing: run the context that it returns")]]
Context extract(const C& carrier, const edge& how = {}) {
    detail::incoming message(how);
    detail::give(carrier, "traceparent",
                 [&](std::string_view line) { return message.trace_parent_line(line); });
    detail::give(carrier, "tracestate",
                 [&](std::string_view line) { return message.trace_state_line(line); });
    detail::give(carrier, "baggage",
                 [&](std::string_view line) { return message.baggage_line(line); });
    if (how.deadline != deadline_header::none)
        detail::give(carrier, detail::name_of(how.deadline),
                     [&](std::string_view line) { return message.deadline_line(line); });
    if (message.reads_b3())
        for (std::size_t i = 0; i != detail::b3_names::all.size(); ++i)
            detail::give(carrier, detail::b3_names::all[i],
                         [&](std::string_view line) { return message.b3_line(i, line); });
    return message.context();
}

/// Writes the current context's trace, state, baggage, exported variables and deadline. A header
/// that is set already stays, and with it those that belong to it: tracestate to traceparent, the
/// headers of B3 to each other.
/// Returns: false if the deadline has passed: then it is not sent, and the call is not worth being
/// made.
/// Throws: std::bad_alloc; any exception of a codec: then nothing is written; any of the carrier.
/// Cost: a copy of the context. With neither exports nor a deadline there is no allocation besides
/// that and the carrier's own.
template <carrier_to_write C>
bool inject(C& carrier, const headers& which = {}) {
    const detail::outgoing message(which);
    for (const detail::outgoing::group& group : message)
        if (!detail::has_any(carrier, group))
            for (std::size_t i = 0; i != group.size; ++i)
                carrier.set(group.headers[i].name, group.headers[i].value);
    return !message.out_of_time();
}
/// As above, for a carrier that is a temporary.
template <carrier_to_write C>
bool inject(C&& carrier, const headers& which = {}) {
    return propagation::inject(carrier, which);
}

} // namespace contextvars::inline v0::propagation

#endif
