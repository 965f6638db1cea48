// SPDX-License-Identifier: MIT
//
// Nothing else lies in this file, for the reason in memory.cpp.
#include "process/memory.hpp"

#include <sys/mman.h>

#include <utility>

namespace contextvars::inline v0::detail {

namespace {

constexpr std::size_t page_bytes = 1U << 18; // the system gives only the parts that are touched
constinit char* page_rest = nullptr;
constinit std::size_t page_rest_bytes = 0;

} // namespace

void* take_permanent_memory(std::size_t bytes) noexcept {
    const std::size_t rounded = (bytes + alignof(std::max_align_t) - 1) /
                                alignof(std::max_align_t) * alignof(std::max_align_t);
    if (rounded > page_rest_bytes) {
        const std::size_t mapped = rounded > page_bytes / 4 ? rounded : page_bytes;
        void* const page =
            mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
            return nullptr;
        if (mapped != page_bytes)
            return page;
        page_rest = static_cast<char*>(page);
        page_rest_bytes = mapped;
    }
    page_rest_bytes -= rounded;
    return std::exchange(page_rest, page_rest + rounded);
}

} // namespace contextvars::inline v0::detail
