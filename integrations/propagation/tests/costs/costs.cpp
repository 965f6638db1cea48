// SPDX-License-Identifier: MIT
//
// Has callgrind write down the instructions of each operation, by its name; check.sh compares them
// with limits. `costs`: the operations of a request. `costs N`: the parsers, with the inputs of N
// bytes that take them longest.
#include <contextvars/propagation.hpp>

#include <contextvars/contextvars.hpp>

#include <valgrind/callgrind.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

using namespace contextvars::propagation;

namespace {

template <class F>
void measure(const char* name, F f) {
    f(); // warm
    CALLGRIND_ZERO_STATS;
    f();
    CALLGRIND_DUMP_STATS_AT(name);
}

std::string repeated(std::string_view part, std::size_t size) {
    std::string text;
    while (text.size() + part.size() <= size)
        text += part;
    return text;
}

std::string members(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i != count; ++i) {
        const std::string number = std::to_string(i);
        text.append(i == 0 ? "" : ",").append("key").append(number).append("=value%20");
        text.append(number);
    }
    return text;
}

volatile std::size_t sink;

void operations() {
    const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    measure("traceparent: parse and write", [&] {
        const auto text = trace_parent::parse(parent)->to_text();
        sink = static_cast<unsigned char>(text[54]);
    });
    const std::string state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,third=1";
    measure("tracestate of 3: parse and write",
            [&] { sink = trace_state::parse(state)->to_text().size(); });
    for (const auto& [count, name, by_value] :
         {std::tuple{3, "baggage of 3: parse and write", "baggage of 3: parse, decode, set all"},
          std::tuple{64, "baggage of 64: parse and write",
                     "baggage of 64: parse, decode, set all"}}) {
        const std::string text = members(static_cast<std::size_t>(count));
        measure(name, [&] { sink = baggage::parse(text).to_text().size(); });
        measure(by_value, [&] {
            baggage copy;
            const baggage bag = baggage::parse(text);
            for (const baggage_member member : bag)
                static_cast<void>(copy.add(member.key(), member.value()));
            sink = copy.to_text().size();
        });
    }
    const std::map<std::string, std::string> message = {{"traceparent", parent}};
    measure("extract of a traceparent, inject", [&] {
        extract(string_map(message)).run([] {
            std::map<std::string, std::string> next;
            inject(string_map(next));
            sink = next.size();
        });
    });
}

void worst(std::size_t size) {
    for (const std::string_view part :
         {"a=1,", ",", " ", "a=%41,", "a=1;p,", "a=1;p=%zz,", "\t,", "a,", "a", "%41",
          "a=;b=;c=;d;", "=", ";", "a= ", "\xff", "a =\t1 ; p = 2 ,"}) {
        const std::string text = repeated(part, size);
        const std::string prefixed = std::string("k=").append(text, 0, size - 2);
        std::string printable = "'";
        for (const char c : part)
            printable += c == '\t' ? 'T' : c == '\xff' ? 'X' : c;
        printable += "'";
        measure(("baggage " + printable).c_str(), [&] { sink = baggage::parse(text).size(); });
        measure(("baggage k= " + printable).c_str(), [&] {
            const baggage bag = baggage::parse(prefixed);
            for (const baggage_member member : bag)
                sink = member.value().size();
        });
        measure(("tracestate " + printable).c_str(),
                [&] { sink = static_cast<std::size_t>(trace_state::parse(text).reason()); });
        measure(("traceparent " + printable).c_str(),
                [&] { sink = static_cast<std::size_t>(trace_parent::parse(text).reason()); });
        measure(("b3 " + printable).c_str(),
                [&] { sink = static_cast<std::size_t>(parse_b3(text).reason()); });
        measure(("grpc-timeout " + printable).c_str(),
                [&] { sink = static_cast<std::size_t>(parse_grpc_timeout(text).reason()); });
        measure(("envoy " + printable).c_str(),
                [&] { sink = static_cast<std::size_t>(parse_envoy_timeout(text).reason()); });
    }
    // 32 members whose keys differ at their ends, as long as they may be; and the last one again.
    std::string keys;
    for (int i = 0; keys.size() + 300 < size; ++i)
        keys += std::string(250, 'k') + std::to_string(100 + i % 31) + "=v,";
    measure("tracestate of long keys",
            [&] { sink = static_cast<std::size_t>(trace_state::parse(keys).reason()); });
    // The same over many header lines.
    measure("baggage of lines of one byte", [&] {
        baggage::reader lines;
        for (std::size_t i = 0; i != size; ++i)
            lines.add(",");
        sink = lines.take().size();
    });
    measure("tracestate of lines of one byte", [&] {
        trace_state::reader lines;
        for (std::size_t i = 0; i != size; ++i)
            lines.add(",");
        sink = static_cast<std::size_t>(lines.take().reason());
    });
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 1)
        operations();
    else
        worst(static_cast<std::size_t>(std::atol(argv[1])));
}
