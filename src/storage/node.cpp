// SPDX-License-Identifier: MIT
//
// A node is a value with a head before it, in a block that is aligned for both.
#include "storage/counts.hpp"
#include "storage/thread_storage.hpp"

#include <contextvars/detail/value.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace contextvars::inline v0::detail {

namespace {

node_head& head_of(void* value) noexcept { return static_cast<node_head*>(value)[-1]; }

void* begin_node(void* block, const type_operations& operations) noexcept {
    void* value = static_cast<std::byte*>(block) + operations.offset_in_node;
    ::new (&head_of(value)) node_head{1, &operations};
    return value;
}

// In functions of their own, so that the callers save no registers.
[[gnu::noinline]] void* allocate_new_node(const type_operations& operations) {
    if (operations.class_of_node != no_block_class)
        return begin_node(allocate_new(operations.class_of_node), operations);
    void* const block = take_aligned_memory(operations.size_of_node, operations.offset_in_node);
    if (block == nullptr)
        throw std::bad_alloc();
    return begin_node(block, operations);
}
[[gnu::noinline]] void deallocate_node_anyhow(void* block,
                                              const type_operations& operations) noexcept {
    if (operations.class_of_node == no_block_class)
        give_memory(block);
    else
        deallocate_anyhow(block, operations.class_of_node);
}

[[gnu::always_inline]] inline void end_node(void* value,
                                            const type_operations& operations) noexcept {
    void* const block = static_cast<std::byte*>(value) - operations.offset_in_node;
    if (!put_block(block, operations.class_of_node))
        deallocate_node_anyhow(block, operations);
}

} // namespace

void* allocate_node(const type_operations& operations) {
    void* const block = take_block(operations.class_of_node);
    return block != nullptr ? begin_node(block, operations) : allocate_new_node(operations);
}

void deallocate_node(void* value) noexcept { end_node(value, *head_of(value).operations); }

void share_node(void* value) noexcept { add_one(head_of(value).references); }

namespace {

/// Values may hold contexts, whose values hold contexts, and so on. Down to this depth,
/// destructions are calls in calls. Deeper values wait in a list for their turn, which comes before
/// the first destruction returns.
constexpr std::uint32_t most_nested_destructions = 64;

void destroy_node(void* value) noexcept {
    thread_storage* const state = try_thread_storage();
    if (state == nullptr) {
        head_of(value).operations->destroy(value);
        deallocate_node(value);
        return;
    }
    if (state->destructions == most_nested_destructions) {
        // Relaxed: nobody refers to the node.
        head_of(value).references.store(reinterpret_cast<std::uintptr_t>(state->waiting),
                                        std::memory_order_relaxed);
        state->waiting = value;
        return;
    }
    ++state->destructions;
    head_of(value).operations->destroy(value);
    deallocate_node(value);
    --state->destructions;
    while (state->destructions == 0 && state->waiting != nullptr) {
        void* const next = state->waiting;
        // Relaxed: this thread has stored it.
        state->waiting = reinterpret_cast<void*>(
            static_cast<std::uintptr_t>(head_of(next).references.load(std::memory_order_relaxed)));
        destroy_node(next);
    }
}

} // namespace

void release_node(void* value) noexcept {
    node_head& head = head_of(value);
    if (!drop_one(head.references))
        return;
    const type_operations& operations = *head.operations;
    if (operations.destroy != nullptr)
        destroy_node(value);
    else
        end_node(value, operations);
}

} // namespace contextvars::inline v0::detail
