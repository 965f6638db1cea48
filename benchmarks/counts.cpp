// SPDX-License-Identifier: MIT
//
// What do the core's operations take, in what does not jitter: instructions, locked instructions
// (an xchg with memory included) and allocations? Each is run in a process of its own, which warms
// up and is then single-stepped through one call. What an empty function takes is subtracted.
//
// Exits with 1 where a count is above its target, with 77 where the system forbids single-stepping.
#include <contextvars/contextvars.hpp>

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>
#include <optional>

#if !defined(NDEBUG)
#error "a debug build measures nothing"
#endif

#if !defined(__x86_64__)
#error "the counts are of x86-64 instructions"
#endif

namespace {

long* allocations = nullptr; // in memory shared with the process that counts

} // namespace

void* operator new(std::size_t bytes) {
    if (allocations != nullptr)
        ++*allocations;
    if (void* memory = std::malloc(bytes))
        return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

// As in src/process/memory.hpp: the library's own memory.
namespace contextvars::inline v0::detail {
CONTEXTVARS_EXPORT void* take_memory(std::size_t bytes) noexcept {
    if (allocations != nullptr)
        ++*allocations;
    return std::malloc(bytes);
}
CONTEXTVARS_EXPORT void* take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept {
    if (allocations != nullptr)
        ++*allocations;
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
CONTEXTVARS_EXPORT void give_memory(void* memory) noexcept { std::free(memory); }
} // namespace contextvars::inline v0::detail

namespace {

using contextvars::Context;
using contextvars::ContextVar;

struct large {
    std::array<long, 8> words{};
};
static_assert(!contextvars::stored_inline<large>);

constinit ContextVar<long> request("request");
constinit ContextVar<long> missing("missing", 7);
constinit ContextVar<long> absent("absent");
constinit ContextVar<large> session("session");

std::deque<ContextVar<long>> others;
ContextVar<long>* middle = nullptr;
Context context;
std::optional<contextvars::Bound<void (*)()>> bound;

/// Binds `request`, and so many others that `count` variables are bound.
template <int count>
void bind_small() {
    if (count > 0)
        request.set(1);
    for (int i = 1; i < count; ++i)
        others.emplace_back("other").set(i);
    middle = count > 1 ? &others[count / 2 - 1] : &request;
}

template <int count>
void bind_small_and_large() {
    bind_small<count - 1>();
    session.emplace();
}

/// Binds `session`, and so many others of its type that `count` variables are bound.
std::deque<ContextVar<large>> large_others;
template <int count>
void bind_large() {
    session.emplace();
    for (int i = 1; i < count; ++i)
        large_others.emplace_back("other").emplace();
}

void nothing() {}

long get_constinit() { return request.get(); }
long get_other() { return middle->get(); }
long get_default() { return missing.get(); }
const long* try_get_absent() { return absent.try_get(); }

void set_and_reset_small() {
    auto token = request.set(2);
    request.reset(token);
}
void set_and_reset_other() {
    auto token = middle->set(2);
    middle->reset(token);
}
void set_and_reset_missing() {
    auto token = absent.set(2);
    absent.reset(token);
}
void set_and_reset_large() {
    auto token = session.emplace();
    session.reset(token);
}
void scoped_small() { auto scope = request.scoped(2); }
void scoped_large() { auto scope = session.scoped(large()); }

void capture_and_drop() { const Context copy = contextvars::copy_context(); }
void set_capture_and_drop() {
    request.set(2); // so that the bindings were not captured before
    const Context copy = contextvars::copy_context();
}
void run_empty() {
    context.run([] { __asm__ volatile("" ::: "memory"); });
}
long capture_run_set_get() {
    return contextvars::copy_context().run([] {
        request.set(2);
        return request.get() + middle->get() + request.get();
    });
}
long capture_run_set_get_large() {
    return contextvars::copy_context().run([] {
        session.emplace();
        return session.get().words[0] + session.get().words[1] + session.get().words[2];
    });
}
template <int count>
void prepare_bound() {
    bind_small<count>();
    bound.emplace(contextvars::bind_context(&nothing));
}
void call_bound() { (*bound)(); }
void bind_and_drop() { contextvars::bind_context(&nothing); }

constexpr int any = -1;

/// Of any return type, so that nothing is counted but what is asked for.
struct function {
    template <class R>
    function(R (*pointer)()) noexcept : call(reinterpret_cast<void (*)()>(pointer)) {}
    void (*call)();
};

struct operation {
    const char* name;
    int most_instructions; // any: shown, not gated
    int most_locked;
    int most_allocations;
    void (*prepare)();
    function run;
};

const operation operations[] = {
    {"get, constant-initialised, 1 bound", 9, 0, 0, bind_small<1>, get_constinit},
    {"get, constant-initialised, 64 bound", 9, 0, 0, bind_small<64>, get_constinit},
    {"get, other, 64 bound", 12, 0, 0, bind_small<64>, get_other},
    {"get, other, 1,000 bound", any, 0, 0, bind_small<1000>, get_other},
    {"get, other, 10,000 bound", any, 0, 0, bind_small<10000>, get_other},
    {"get of a default", 12, 0, 0, bind_small<8>, get_default},
    {"try_get of nothing", 12, 0, 0, bind_small<8>, try_get_absent},
    {"set and reset, small", 45, 0, 0, bind_small<8>, set_and_reset_small},
    {"set and reset, small, 64 bound", 45, 0, 0, bind_small<64>, set_and_reset_small},
    {"set and reset, small, missing before", any, 0, 0, bind_small<8>, set_and_reset_missing},
    {"set and reset, small, 1,000 bound", any, 0, 0, bind_small<1000>, set_and_reset_other},
    {"scoped, small", any, 0, 0, bind_small<8>, scoped_small},
    {"scoped, large", any, 0, 0, bind_small_and_large<8>, scoped_large},
    {"set and reset, large", 240, 1, 0, bind_small_and_large<8>, set_and_reset_large},
    {"copy_context and drop, 0 bound", any, 0, 0, bind_small<0>, capture_and_drop},
    {"copy_context and drop, 1 bound", any, 0, 0, bind_small<1>, capture_and_drop},
    {"copy_context and drop, 16 bound", any, 0, 0, bind_small<16>, capture_and_drop},
    {"copy_context and drop, 17 bound", any, 2, 0, bind_small<17>, capture_and_drop},
    {"copy_context and drop, 10,000 bound", any, 2, 0, bind_small<10000>, capture_and_drop},
    {"copy_context and drop, 1 large bound", any, 2, 0, bind_small_and_large<1>, capture_and_drop},
    {"set, copy_context and drop, 1 bound", any, 0, 0, bind_small<1>, set_capture_and_drop},
    {"set, copy_context and drop, 16 bound", any, 0, 0, bind_small<16>, set_capture_and_drop},
    {"run, empty body", 35, 1, 0, nothing, run_empty},
    {"copy_context, run, set, 3 gets, 1 bound", any, 0, 0, bind_small<1>, capture_run_set_get},
    {"copy_context, run, set, 3 gets, 16 bound", any, 0, 0, bind_small<16>, capture_run_set_get},
    {"copy_context, run, set, 3 gets, 64 bound", any, 2, 0, bind_small<64>, capture_run_set_get},
    {"copy_context, run, set, 3 gets, 8 with a large", any, 4, 0, bind_small_and_large<8>,
     capture_run_set_get_large},
    {"copy_context, run, set, 3 gets, 16 large", any, 34, 0, bind_large<16>,
     capture_run_set_get_large},
    {"bind_context and drop, 16 bound", any, 2, 0, bind_small<16>, bind_and_drop},
    {"call of what is bound, 16 bound", any, 0, 0, prepare_bound<16>, call_bound},
    {"call of what is bound, 64 bound", any, 0, 0, prepare_bound<64>, call_bound},
};

struct counted {
    long instructions = 0;
    long locked = 0;
    long allocations = 0;
};

/// Whether the instruction has a lock prefix or is an xchg with memory, which implies it.
bool is_locked(const std::uint8_t* bytes) {
    while (*bytes == 0x66 || *bytes == 0x67 || *bytes == 0xF2 || *bytes == 0xF3 || *bytes == 0x2E ||
           *bytes == 0x36 || *bytes == 0x3E || *bytes == 0x26 || *bytes == 0x64 || *bytes == 0x65)
        ++bytes;
    if (*bytes == 0xF0)
        return true;
    if (*bytes >= 0x40 && *bytes <= 0x4F)
        ++bytes;
    return (*bytes == 0x86 || *bytes == 0x87) && bytes[1] < 0xC0;
}

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(2);
}

[[gnu::noinline]] void stepped(void (*run)()) {
    __asm__ volatile("int3");
    run();
    __asm__ volatile("int3");
}

[[noreturn]] void be_stepped(const operation& operation) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
        std::perror("nothing was counted: ptrace");
        _exit(77);
    }
    operation.prepare();
    for (int i = 0; i != 100; ++i)
        operation.run.call();
    *allocations = 0;
    stepped(operation.run.call);
    _exit(0);
}

counted count(const operation& operation) {
    static long* const shared = static_cast<long*>(
        mmap(nullptr, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    allocations = shared;
    const pid_t child = fork();
    if (child == 0)
        be_stepped(operation);
    allocations = nullptr;
    counted counted;
    bool stepping = false;
    for (int status = 0;;) {
        if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 77)
            std::exit(77);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            fail("the process that is stepped did not stop");
        const long at = ptrace(PTRACE_PEEKUSER, child, 16 * sizeof(long), nullptr); // rip
        std::array<std::uint8_t, 16> bytes{};
        for (std::size_t i = 0; i != 2; ++i) {
            errno = 0;
            const long word =
                ptrace(PTRACE_PEEKTEXT, child, at + static_cast<long>(8 * i), nullptr);
            if (errno == 0)
                std::memcpy(&bytes[8 * i], &word, sizeof word);
        }
        if (stepping && bytes[0] == 0xCC)
            break;
        if (stepping && is_locked(bytes.data()))
            ++counted.locked;
        stepping = true;
        ++counted.instructions;
        if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0)
            fail("ptrace");
    }
    counted.allocations = *shared;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return counted;
}

} // namespace

int main() {
    const counted empty = count({"", any, any, any, nothing, nothing});
    std::printf("| operation | instructions | locked | allocations |\n| --- | --- | --- | --- |\n");
    bool all_met = true;
    for (const operation& operation : operations) {
        const counted counted = count(operation);
        std::printf("| %s |", operation.name);
        const auto show = [&](long value, int most) {
            const bool met = most == any || value <= most;
            all_met = all_met && met;
            std::printf(" %ld", value);
            if (most != any)
                std::printf(" (at most %d)%s", most, met ? "" : " **above**");
            std::printf(" |");
        };
        show(counted.instructions - empty.instructions, operation.most_instructions);
        show(counted.locked, operation.most_locked);
        show(counted.allocations, operation.most_allocations);
        std::printf("\n");
    }
    return all_met ? 0 : 1;
}
