// SPDX-License-Identifier: MIT
//
// How does the cost of each public operation grow with the number of bindings, of variables that are
// gone, of tokens, or of contexts within contexts? `costs N` makes ready, then does each operation
// once, and has callgrind write down the instructions between two marks; check.sh compares two N.
//
// Memory comes from an allocator that takes the same time for each block and frees none: how long the C
// library takes depends on all that was allocated before.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include <valgrind/callgrind.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <ostream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

namespace {

void* bump(std::size_t bytes, std::size_t alignment) noexcept {
    constexpr std::size_t chunk = std::size_t{1} << 24;
    static std::byte* next = nullptr;
    static std::byte* end = nullptr;
    next += (alignment - reinterpret_cast<std::uintptr_t>(next) % alignment) % alignment;
    if (next == nullptr || static_cast<std::size_t>(end - next) < bytes) {
        const std::size_t size = bytes > chunk ? bytes : chunk;
        next = static_cast<std::byte*>(std::aligned_alloc(4096, (size + 4095) / 4096 * 4096));
        end = next + size;
    }
    return std::exchange(next, next + bytes);
}

} // namespace

void* operator new(std::size_t bytes) { return bump(bytes, 16); }
void operator delete(void*) noexcept {}
void operator delete(void*, std::size_t) noexcept {}

// As in src/process/memory.hpp.
namespace contextvars::inline v0::detail {
CONTEXTVARS_EXPORT void* take_memory(std::size_t bytes) noexcept { return bump(bytes, 16); }
CONTEXTVARS_EXPORT void* take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept {
    return bump(bytes, alignment);
}
CONTEXTVARS_EXPORT void give_memory(void*) noexcept {}
} // namespace contextvars::inline v0::detail

namespace {

using contextvars::Context;
using contextvars::ContextVar;

/// Takes everything, and keeps nothing.
struct sink : std::streambuf {
    int overflow(int character) override { return character == EOF ? 0 : character; }
    std::streamsize xsputn(const char*, std::streamsize size) override { return size; }
};
sink nowhere;
std::ostream out(&nowhere);

template <class F>
void measure(const char* operation, F f) {
    CALLGRIND_ZERO_STATS;
    f();
    CALLGRIND_DUMP_STATS_AT(operation);
}

std::size_t size = 0;
std::deque<ContextVar<long>> small;
std::deque<ContextVar<std::string>> large;

/// Binds `size` variables of each kind, half of it small ones.
Context full() {
    Context context;
    context.run([] {
        for (std::size_t i = 0; i != size / 2; ++i) {
            small[i].set(static_cast<long>(i));
            large[i].set("a text that is too long for the small string buffer");
        }
    });
    return context;
}

/// Binds `size` variables that are gone, whose places were taken meanwhile.
Context with_dead() {
    Context context;
    context.run([] {
        for (std::size_t i = 0; i != size; ++i) {
            ContextVar<long> v{"dead"};
            v.set(static_cast<long>(i));
        }
        ContextVar<long> next{"next"};
        next.set(1);
    });
    return context;
}

ContextVar<Context> inner{"inner"};

/// A context in a context in a context …
Context nested() {
    Context context;
    for (std::size_t i = 0; i != size; ++i) {
        Context outer;
        outer.run([&] { inner.set(std::move(context)); });
        context = std::move(outer);
    }
    return context;
}

ContextVar<Context> left{"left"};
ContextVar<Context> right{"right"};

/// A context that binds two copies of another one, which does the same: few of them, but as many ways to
/// the innermost as there are bindings elsewhere.
Context with_many_paths() {
    Context context;
    for (std::size_t i = size; i != 1; i /= 2) {
        Context outer;
        outer.run([&] {
            left.set(context);
            right.set(context);
        });
        context = std::move(outer);
    }
    return context;
}

void operations_on_many() {
    ContextVar<long>& one = small[size / 4];
    ContextVar<std::string>& text = large[size / 4];
    std::optional<Context> context;
    measure("set n variables", [&] { context.emplace(full()); });
    std::optional<Context> other(full());
    measure("equality", [&] { static_cast<void>(*context == *other); });
    measure("size", [&] { static_cast<void>(context->size()); });
    measure("contains", [&] { static_cast<void>(context->contains(one)); });
    measure("index", [&] { static_cast<void>((*context)[text]); });
    measure("get from a context", [&] { static_cast<void>(context->get(one, 0)); });
    measure("copy and drop", [&] { const Context copy = *context; });
    measure("with", [&] { const Context copy = context->with(one.to(1), text.to("x")); });
    measure("run", [&] { context->run([] {}); });
    measure("run with a set", [&] { context->run([&] { one.set(1); }); });
    measure("run with a set of a text", [&] { context->run([&] { text.set("x"); }); });
    context->run([&] {
        measure("get", [&] { static_cast<void>(one.get()); });
        measure("set", [&] { one.set(1); });
        measure("set again", [&] { one.set(1); });
        measure("set and reset a text", [&] {
            auto token = text.set("x");
            text.reset(token);
        });
        measure("scoped", [&] { const auto scope = text.scoped("x"); });
        measure("copy_context and drop", [&] { const Context copy = contextvars::copy_context(); });
        measure("copy_context, run, set",
                [&] { contextvars::copy_context().run([&] { one.set(2); }); });
        measure("bind_context and call", [&] {
            const auto bound = contextvars::bind_context([] {});
            bound();
            bound();
        });
        measure("a flow", [&] {
            contextvars::ext::flow flow;
            flow.resume();
            one.set(3);
            flow.suspend();
            flow.resume();
            flow.suspend();
        });
        measure("a variable from its beginning to its end", [&] {
            ContextVar<long> v{"v"};
            v.set(1);
        });
    });
    measure("items", [&] {
        for (auto&& [variable, value] : *context)
            static_cast<void>(variable);
    });
    measure("keys and values", [&] {
        for (auto variable : context->keys())
            static_cast<void>(variable);
        for (auto value : context->values())
            static_cast<void>(value);
    });
    measure("print", [&] { out << *context; });
    measure("n tokens, reset in order", [&] {
        context->run([&] {
            std::vector<contextvars::Token<long>> tokens;
            for (std::size_t i = 0; i != size / 2; ++i)
                tokens.push_back(small[i].set(1));
            for (std::size_t i = 0; i != size / 2; ++i)
                small[i].reset(tokens[i]);
        });
    });
    measure("assign", [&] { *other = *context; });
    other.reset();
    measure("end", [&] { context.reset(); });
    measure("n variables of one name", [&] {
        Context().run([] {
            std::deque<ContextVar<long>> made;
            for (std::size_t i = 0; i != size; ++i)
                made.emplace_back("one name").set(1);
        });
    });
}

void operations_on_dead() {
    std::optional<Context> context;
    measure("bind n variables that go", [&] { context.emplace(with_dead()); });
    std::optional<Context> other(*context);
    other->run([] { small[0].set(1); });
    context->run([] { small[0].set(1); });
    measure("dead: run with sets", [&] {
        context->run([] {
            small[1].set(1);
            auto token = small[2].set(1);
            small[2].reset(token);
        });
        other->run([] { small[1].set(1); });
    });
    measure("dead: copy and drop", [&] { const Context copy = *context; });
    measure("dead: equality", [&] { static_cast<void>(*context == *other); });
    measure("dead: items", [&] { static_cast<void>(context->items().size()); });
    measure("dead: print", [&] { out << *context; });
    other.reset();
    measure("dead: end", [&] { context.reset(); });
}

void operations_on_nested() {
    std::optional<Context> context;
    measure("nested: make", [&] { context.emplace(nested()); });
    std::optional<Context> other(nested());
    measure("nested: equality", [&] { static_cast<void>(*context == *other); });
    measure("nested: print", [&] { out << *context; });
    measure("nested: end", [&] { context.reset(); });
    other.reset();
    measure("many paths: make", [&] { context.emplace(with_many_paths()); });
    other.emplace(with_many_paths());
    measure("many paths: equality", [&] { static_cast<void>(*context == *other); });
    measure("many paths: print", [&] { out << *context; });
    measure("many paths: end", [&] { context.reset(); });
}

} // namespace

int main(int, char** argv) {
    size = static_cast<std::size_t>(std::atol(argv[1]));
    for (std::size_t i = 0; i != size / 2; ++i) {
        small.emplace_back("small");
        large.emplace_back("large");
    }
    static_cast<void>(full()); // each variable has its place
    operations_on_many();
    operations_on_dead();
    operations_on_nested();
}
