// SPDX-License-Identifier: MIT
#include <contextvars/propagation/carrier.hpp>

#include "exports.hpp"
#include "report.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace contextvars::inline v0::propagation::detail {

// Incoming.

bool incoming::trace_parent_line(std::string_view line) noexcept {
    if (parent_lines_++ != 0) {
        parent_fault_ = fault::repeated;
        return false;
    }
    const auto read = trace_parent::parse(line);
    parent_fault_ = read.reason();
    if (read)
        parent_ = *read;
    return true;
}

bool incoming::trace_state_line(std::string_view line) {
    has_state_ = true;
    // Not parsed if the traceparent failed.
    return parent_lines_ != 0 && parent_fault_ == fault::none && state_.add(line) == fault::none;
}

bool incoming::baggage_line(std::string_view line) {
    if (!how_.trust_baggage) {
        untrusted_lines_ = 1;
        return false;
    }
    baggage_.add(line);
    return !baggage_.full();
}

bool incoming::deadline_line(std::string_view line) noexcept {
    const std::string_view name = name_of(how_.deadline);
    if (std::exchange(has_deadline_, true)) {
        // The earlier one holds: no line may extend what another says.
        report(name, fault::repeated, 1, now_);
    }
    const auto left = how_.deadline == deadline_header::grpc ? parse_grpc_timeout(line)
                                                             : parse_envoy_timeout(line);
    if (!left)
        report(name, left.reason(), 1, now_);
    else
        deadline_ = std::min(deadline_, deadline::after(*left, now_));
    return true;
}

bool incoming::b3_line(std::size_t header, std::string_view line) noexcept {
    if (b3_[header].data() != nullptr) {
        b3_repeated_ = true;
        return false;
    }
    b3_[header] = line.data() == nullptr ? std::string_view("") : line;
    return true;
}

void incoming::read_b3() noexcept {
    if (std::all_of(b3_.begin(), b3_.end(), [](auto text) { return text.data() == nullptr; }))
        return;
    parent_header_ = "b3";
    const auto read = b3_repeated_ ? parsed<trace_parent>(fault::repeated)
                      : b3_[0].data() != nullptr
                          ? parse_b3(b3_[0])
                          : parse_b3(b3_headers{b3_[1], b3_[2], b3_[3], b3_[4]});
    parent_fault_ = read.reason();
    if (read)
        parent_ = *read;
}

Context incoming::context() {
    const std::size_t repeated_states = state_.repeated();
    parsed<trace_state> state = state_.take();
    if (parent_lines_ == 0)
        read_b3();
    if (parent_fault_ != fault::none) {
        parent_ = trace_parent{};
        report(parent_header_, parent_fault_, 1, now_);
    }
    if (has_state_ && (parent_lines_ == 0 || parent_fault_ != fault::none)) {
        report("tracestate", fault::without_parent, 1, now_);
        state = trace_state();
    } else if (!state) {
        report("tracestate", state.reason(), 1, now_);
        state = trace_state();
    } else if (repeated_states != 0) {
        report("tracestate", fault::repeated, repeated_states, now_);
    }
    if (baggage_.dropped() != 0)
        report("baggage", baggage_.reason(), baggage_.dropped(), now_);
    if (untrusted_lines_ != 0)
        report("baggage", fault::untrusted, 1, now_);
    if (!parent_ && how_.start_trace)
        parent_ = trace_parent::start(false);
    baggage bag = baggage_.take();

    Context result = copy_context();
    result.run([&] {
        // A value is set only if it would be another one: mostly there is nothing, and was nothing.
        if (parent_ != current_trace.get())
            current_trace.set(parent_);
        if (*state != current_state.get())
            current_state.set(*std::move(state));
        if (deadline_ < current_deadline.get())
            current_deadline.set(deadline_);
        if (how_.trust_baggage && !bag.empty())
            if (const auto list = exports())
                for (const auto& variable : *list)
                    if (const auto member = bag.find(variable->key());
                        member && !variable->set(member->value()))
                        report("baggage", fault::refused, 1, now_);
        if (bag != current_baggage.get())
            current_baggage.set(std::move(bag));
    });
    return result;
}

// Outgoing.

outgoing::outgoing(const headers& which) {
    add_trace(which);
    if (which.baggage)
        add_baggage();
    if (which.deadline != deadline_header::none)
        add_deadline(which.deadline);
}

void outgoing::add(std::initializer_list<header> together) noexcept {
    std::copy(together.begin(), together.end(), groups_[size_].headers.begin());
    groups_[size_++].size = together.size();
}

void outgoing::add_trace(const headers& which) {
    const trace_parent* const parent = now_.get(current_trace);
    if (parent == nullptr || !*parent)
        return;
    if (which.w3c) {
        trace_parent_ = parent->to_text();
        const std::string_view value(trace_parent_.data(), trace_parent_.size());
        const trace_state* state = now_.get(current_state);
        if (state != nullptr && state->to_text().size() > trace_state::most_sent) {
            shortened_ = *state;
            report("tracestate", fault::too_long, shortened_.shorten(trace_state::most_sent),
                   deadline::clock::now());
            state = &shortened_;
        }
        if (state != nullptr && !state->empty())
            add({{"traceparent", value}, {"tracestate", state->to_text()}});
        else
            add({{"traceparent", value}});
    }
    if (!which.b3_single && !which.b3_multi)
        return;
    b3_ = to_b3(*parent);
    const std::string_view b3(b3_.data(), b3_.size());
    if (which.b3_single)
        add({{"b3", b3}});
    if (which.b3_multi)
        add({{"x-b3-traceid", b3.substr(0, 32)},
             {"x-b3-spanid", b3.substr(33, 16)},
             {"x-b3-sampled", b3.substr(50, 1)}});
}

void outgoing::add_baggage() {
    const baggage* bag = now_.get(current_baggage);
    if (const auto list = exports()) {
        if (bag != nullptr)
            baggage_ = *bag;
        bag = &baggage_;
        for (const auto& variable : *list) {
            const auto value = variable->read(now_);
            // An old value of the variable does not go on if the new one has no room.
            fault reason = fault::none;
            if (value)
                reason = baggage_.set(variable->key(), *value);
            if (!value || reason != fault::none)
                baggage_.remove(variable->key());
            if (reason != fault::none)
                report("baggage", reason, 1, deadline::clock::now());
        }
    }
    if (bag != nullptr && !bag->empty())
        add({{"baggage", bag->to_text()}});
}

void outgoing::add_deadline(deadline_header which) {
    const deadline* const until = now_.get(current_deadline);
    if (until == nullptr || !*until)
        return;
    const auto now = deadline::clock::now();
    const auto left = until->left(now);
    if (left <= left.zero()) {
        out_of_time_ = true;
        report(name_of(which), fault::out_of_time, 1, now);
        return;
    }
    deadline_ = which == deadline_header::grpc ? to_grpc_timeout(left) : to_envoy_timeout(left);
    add({{name_of(which), deadline_}});
}

} // namespace contextvars::inline v0::propagation::detail
