// SPDX-License-Identifier: MIT
//
// Nothing else lies in this file, so that a program that defines these functions itself does not
// link it.
#include "process/memory.hpp"

#include <cstdlib>

namespace contextvars::inline v0::detail {

void* take_memory(std::size_t bytes) noexcept { return std::malloc(bytes); }

void* take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept {
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return std::aligned_alloc(alignment, rounded);
}

void give_memory(void* memory) noexcept { std::free(memory); }

} // namespace contextvars::inline v0::detail
