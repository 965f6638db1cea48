// SPDX-License-Identifier: MIT
//
// The slot and everything else that is thread_local, and how it ends.
//
// A thread has three words: the current map, the top frame, and a pointer to the rest, which is
// allocated when the thread first needs it. All three are constant-initialised and trivial, so that
// no access runs a constructor, and every thread-exit destructor of the program still finds them.
//
// The rest ends in a pthread key's destructor, since those run after all of C++'s thread-exit
// destructors. The base context's values are destroyed there; a value's destructor may set again,
// which starts a new base context, and POSIX calls the key's destructor again. On the main thread,
// which returns from main, keys are not destroyed: its base context lives until the process ends.
#include "thread_state.hpp"

#include "map.hpp"

#include <contextvars/detail/current.hpp>

#include <pthread.h>

#include <array>
#include <atomic>
#include <memory>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

#if defined(CONTEXTVARS_SLOT_BY_CALL) || (defined(__clang__) && !defined(__x86_64__))
namespace {
constinit thread_local map* current_map_slot = empty_map();
constinit thread_local frame* top_frame_slot = nullptr;
} // namespace
#else
constinit thread_local map* current_map_slot = empty_map();
constinit thread_local frame* top_frame_slot = nullptr;
#endif

map* load_current_map() noexcept { return current_map_slot; }
void store_current_map(map* map) noexcept { current_map_slot = map; }
frame* load_top_frame() noexcept { return top_frame_slot; }
void store_top_frame(frame* frame) noexcept { top_frame_slot = frame; }

namespace {

/// Free blocks of the sizes 32, 64, … bytes, the last being that of a map of 64 cells.
class block_cache {
public:
    void* take(std::size_t bytes) noexcept {
        const std::size_t size_class = class_of(bytes);
        if (size_class >= heads_.size() || heads_[size_class].first == nullptr)
            return nullptr;
        list& blocks = heads_[size_class];
        block* taken = blocks.first;
        blocks.first = taken->next;
        --blocks.count;
        return taken;
    }

    bool put(void* memory, std::size_t bytes) noexcept {
        const std::size_t size_class = class_of(bytes);
        if (size_class >= heads_.size() || heads_[size_class].count == most_blocks)
            return false;
        list& blocks = heads_[size_class];
        blocks.first = ::new (memory) block{blocks.first};
        ++blocks.count;
        return true;
    }

    void clear() noexcept {
        for (list& blocks : heads_)
            while (blocks.first != nullptr) {
                block* freed = blocks.first;
                blocks.first = freed->next;
                --blocks.count;
                ::operator delete(freed);
            }
    }

    static std::size_t rounded(std::size_t bytes) noexcept {
        return (bytes + 31) & ~std::size_t{31};
    }

private:
    // 34 classes of at most 8 blocks: below 150 KB for a thread that has used them all.
    static constexpr std::uint32_t most_blocks = 8;

    struct block {
        block* next;
    };
    struct list {
        block* first = nullptr;
        std::uint32_t count = 0;
    };

    static std::size_t class_of(std::size_t bytes) noexcept { return (bytes - 1) / 32; }

    std::array<list, 34> heads_{};
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool reuse_blocks = false; // so that the sanitizer sees each block's life
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool reuse_blocks = false;
#else
inline constexpr bool reuse_blocks = true;
#endif
#else
inline constexpr bool reuse_blocks = true;
#endif

struct thread_state {
    frame base{};
    identity_type next_identity = 0;
    identity_type end_of_identities = 0;
    block_cache blocks;
};

constinit thread_local thread_state* state_slot = nullptr;

// Identities are handed to threads in blocks, so that no path of set() shares a counter.
constexpr identity_type identities_in_a_block = 1 << 16;
constinit std::atomic<identity_type> next_block{1};

identity_type next_block_of_identities() noexcept {
    // Relaxed: only distinctness is asked.
    return next_block.fetch_add(identities_in_a_block, std::memory_order_relaxed);
}

void end_of_thread(void* state) noexcept;

pthread_key_t end_key;
pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

[[gnu::cold, gnu::noinline]] void begin_thread() {
    pthread_once(&end_key_once, [] { pthread_key_create(&end_key, end_of_thread); });
    auto state = std::make_unique<thread_state>();
    if (pthread_setspecific(end_key, state.get()) != 0)
        throw std::bad_alloc();
    state_slot = state.release();
}

thread_state& this_thread() {
    if (state_slot == nullptr) [[unlikely]]
        begin_thread();
    return *state_slot;
}

void end_of_thread(void* state) noexcept {
    // A thread may end inside contexts that it never left: the maps they had here and show to nobody
    // end with it, and what it had below them is its own.
    const frame* const base = &static_cast<thread_state*>(state)->base;
    frame* const top = top_frame();
    map* live = current_map();
    for (frame* frame = top; frame != nullptr && frame != base; frame = frame->previous)
        live = std::exchange(frame->previous_map, live != frame->published ? live : empty_map());
    set_top_frame(nullptr);
    set_current_map(live);
    for (frame* frame = top; frame != nullptr && frame != base; frame = frame->previous)
        release(frame->previous_map);
    // Values' destructors may set again, and so bring a new base map; after a few rounds the rest
    // is left to the next call, for which this state stays.
    for (int round = 0; current_map() != empty_map(); ++round) {
        if (round == 4) {
            pthread_setspecific(end_key, state);
            return;
        }
        map* last = current_map();
        set_current_map(empty_map());
        static_cast<thread_state*>(state)->base.identity = 0;
        release(last);
        set_top_frame(nullptr);
    }
    static_cast<thread_state*>(state)->blocks.clear();
    delete static_cast<thread_state*>(state);
    state_slot = nullptr;
}

} // namespace

frame& current_frame() {
    thread_state& state = this_thread();
    if (top_frame() == nullptr)
        set_top_frame(&state.base);
    return *top_frame();
}

identity_type identity_of(frame& frame) noexcept {
    if (frame.identity == 0) {
        thread_state& state = *state_slot; // current_frame() has made it
        if (state.next_identity == state.end_of_identities) {
            state.next_identity = next_block_of_identities();
            state.end_of_identities = state.next_identity + identities_in_a_block;
        }
        frame.identity = state.next_identity++;
    }
    return frame.identity;
}

std::uint64_t thread_number() noexcept {
    return static_cast<std::uint64_t>(pthread_self()) & ~std::uint64_t{3};
}

void* try_allocate(std::size_t bytes) noexcept {
    try {
        return allocate(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void* allocate(std::size_t bytes) {
    // A thread that only ever captures and enters needs its blocks as well.
    if (reuse_blocks)
        if (void* block = this_thread().blocks.take(bytes))
            return block;
    return ::operator new(block_cache::rounded(bytes));
}

void deallocate(void* block, std::size_t bytes) noexcept {
    if (reuse_blocks && state_slot != nullptr && state_slot->blocks.put(block, bytes))
        return;
    ::operator delete(block);
}

} // namespace contextvars::inline v0::detail
