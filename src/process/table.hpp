// SPDX-License-Identifier: MIT
//
// A table that grows, of entries that never move: what was found by an index stays where it is.
#ifndef CONTEXTVARS_SRC_PROCESS_TABLE_HPP
#define CONTEXTVARS_SRC_PROCESS_TABLE_HPP

#include "process/memory.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace contextvars::inline v0::detail {

inline constexpr std::uint32_t table_size = 1U << 20; // 20 bits in a key

/// table_size entries. None of them ever moves or is destroyed. The table grows under the
/// registry's lock.
template <class T>
class table {
public:
    /// Precondition: the table has grown to the index, under the lock that the caller holds.
    T& operator[](std::uint32_t index) const noexcept {
        CONTEXTVARS_ASSERT(find(index) != nullptr);
        // Relaxed: the lock orders it after the growth.
        return chunks_[index / chunk_size].load(std::memory_order_relaxed)[index % chunk_size];
    }
    /// Returns: nullptr if this thread does not see it yet.
    T* find(std::uint32_t index) const noexcept {
        // Acquire: pairs with the release in grow_to.
        T* const chunk = chunks_[index / chunk_size].load(std::memory_order_acquire);
        return chunk != nullptr ? chunk + index % chunk_size : nullptr;
    }
    void grow_to(std::uint32_t index) {
        std::atomic<T*>& chunk = chunks_[index / chunk_size];
        // Relaxed: only a holder of the lock stores. Release: pairs with find(), which has no lock.
        if (chunk.load(std::memory_order_relaxed) == nullptr)
            chunk.store(new_chunk(), std::memory_order_release);
    }

private:
    static T* new_chunk() {
        auto* const chunk = static_cast<T*>(need_permanent_memory(chunk_size * sizeof(T)));
        std::uninitialized_value_construct_n(chunk, chunk_size);
        return chunk;
    }

    static constexpr std::uint32_t chunk_size = 1024;
    std::array<std::atomic<T*>, table_size / chunk_size> chunks_{};
};

} // namespace contextvars::inline v0::detail

#endif
