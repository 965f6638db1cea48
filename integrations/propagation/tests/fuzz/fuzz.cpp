// SPDX-License-Identifier: MIT
//
// A libFuzzer program for every parser: CONTEXTVARS_FUZZ in the environment names the parser. What
// is read keeps the limits, and what is written of it is read again as the same.
#include <contextvars/propagation.hpp>

#include <contextvars/contextvars.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace contextvars::propagation;

namespace {

#define CHECK(condition)                                                                           \
    ((condition)                                                                                   \
         ? static_cast<void>(0)                                                                    \
         : (std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), std::abort()))

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    for (;;) {
        const std::size_t end = text.find('\n');
        lines.push_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return lines;
        text.remove_prefix(end + 1);
    }
}

void check_trace_parent(std::string_view text) {
    if (const auto read = trace_parent::parse(text)) {
        const auto written = read->to_text();
        CHECK(*trace_parent::parse({written.data(), written.size()}) == *read);
    }
}

void check_b3(std::string_view text) {
    if (const auto read = parse_b3(text)) {
        const auto written = to_b3(*read);
        CHECK(*parse_b3({written.data(), written.size()}) == *read);
    }
    std::vector<std::string_view> lines = lines_of(text);
    lines.resize(4);
    if (const auto read = parse_b3(b3_headers{lines[0], lines[1], lines[2], lines[3]})) {
        const auto written = to_b3(*read);
        CHECK(*parse_b3({written.data(), written.size()}) == *read);
    }
}

void check_trace_state(std::string_view text) {
    trace_state::reader reader;
    for (const std::string_view line : lines_of(text))
        reader.add(line);
    auto read = reader.take();
    if (!read)
        return;
    CHECK(read->size() <= trace_state::most_members);
    CHECK(trace_state::parse(read->to_text())->to_text() == read->to_text());
    trace_state changed = *read;
    changed.set("own", "1");
    CHECK(changed.size() <= trace_state::most_members && changed.get("own") == "1");
    CHECK(trace_state::parse(changed.to_text())->to_text() == changed.to_text());
    changed.shorten(text.size() / 2);
    CHECK(changed.to_text().size() <= text.size() / 2);
    CHECK(trace_state::parse(changed.to_text())->to_text() == changed.to_text());
}

void check_baggage(std::string_view text) {
    baggage::reader reader;
    for (const std::string_view line : lines_of(text))
        reader.add(line);
    const baggage read = reader.take();
    CHECK(read.size() <= baggage::most_members && read.to_text().size() <= baggage::most_bytes);
    const baggage again = baggage::parse(read.to_text());
    CHECK(again.to_text() == read.to_text() && again.size() == read.size());
    baggage by_value;
    std::size_t count = 0;
    for (const baggage_member member : read) {
        ++count;
        const std::string value = member.value();
        CHECK(value.size() <= member.encoded_value().size());
        for (const baggage_property property : member.properties()) {
            CHECK(!property.key().empty());
            CHECK(property.value().size() <= property.encoded_value().size());
        }
        if (by_value.set(member.key(), value) == fault::none) {
            CHECK(by_value.find(member.key())->value() == value);
            CHECK(baggage::parse(by_value.to_text()).size() == by_value.size());
        }
    }
    CHECK(count == read.size());
}

void check_timeouts(std::string_view text) {
    if (const auto left = parse_grpc_timeout(text); left && left->count() > 0) {
        const auto again = parse_grpc_timeout(to_grpc_timeout(*left));
        CHECK(again && *again <= *left && again->count() > 0);
    }
    if (const auto left = parse_envoy_timeout(text)) {
        CHECK(left->count() > 0);
        if (left->count() < 1'000'000'000'000'000'000)
            CHECK(*parse_envoy_timeout(to_envoy_timeout(*left)) == *left);
    }
}

/// Lines `name: value`; a second hop changes nothing.
void check_message(std::string_view text) {
    std::multimap<std::string, std::string> message;
    for (const std::string_view line : lines_of(text)) {
        const std::size_t colon = std::min(line.find(':'), line.size());
        message.emplace(line.substr(0, colon), line.substr(std::min(colon + 1, line.size())));
    }
    const auto hop = [](auto& from) {
        std::multimap<std::string, std::string> to;
        extract(string_map(from), {.trust_baggage = true, .b3 = true}).run([&] {
            inject(string_map(to));
        });
        to.erase("x-envoy-expected-rq-timeout-ms");
        return to;
    };
    const auto once = hop(message);
    CHECK(hop(once) == once);
}

struct target {
    std::string_view name;
    void (*check)(std::string_view);
};
constexpr target targets[] = {{"trace_parent", check_trace_parent}, {"b3", check_b3},
                              {"trace_state", check_trace_state},   {"baggage", check_baggage},
                              {"timeouts", check_timeouts},         {"message", check_message}};

void (*check)(std::string_view) = nullptr;

} // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* const name = std::getenv("CONTEXTVARS_FUZZ");
    for (const target& t : targets)
        if (name != nullptr && t.name == name)
            check = t.check;
    if (check == nullptr) {
        std::fprintf(stderr, "CONTEXTVARS_FUZZ names no parser\n");
        std::exit(2);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    check({reinterpret_cast<const char*>(data), size});
    return 0;
}
