// SPDX-License-Identifier: MIT
//
// The callbacks that C libraries have. Each has a slot in a table, whose entries never move and are
// used again. The `void*` is the number of the slot and its generation, so that a call which comes
// too late finds no callback, and not that of somebody else.
//
// A slot's members are read and written under its lock, for a handful of instructions. The object is
// destroyed without it, by the thread that finds the callback ended and no call going on: the one that
// ends it, or the last call.
#include "process/locks.hpp"
#include "process/report.hpp"
#include "process/table.hpp"

#include <contextvars/as_callback.hpp>
#include <contextvars/diagnostics.hpp>

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace contextvars::inline v0 {
namespace detail {

namespace {

constexpr std::uint32_t no_slot = ~0U;

struct callback_slot {
    callback_object* object = nullptr; ///< nullptr: the slot is free
    std::uintptr_t generation = 1;     ///< never 0, so that no data is nullptr
    std::uint32_t calls = 0;           ///< that are going on
    bool has_ended = false;
    std::uint32_t next_free = no_slot; ///< under registry_lock
};

// Under registry_lock, as all permanent memory. Slots that a caller has the number of are found without
// it.
constinit table<callback_slot> slots;
constinit std::uint32_t slot_count = 0;
constinit std::uint32_t first_free = no_slot;

// A generation has the bits that the index leaves: 44, or 12 if pointers have 32.
constexpr std::uintptr_t last_generation_of_slot = UINTPTR_MAX / table_size;

std::uint32_t index_of(void* data) noexcept {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(data) % table_size);
}
std::uintptr_t generation_of(void* data) noexcept {
    return reinterpret_cast<std::uintptr_t>(data) / table_size;
}

/// Returns: the slot, if there ever was one of this index.
callback_slot* slot_of(void* data) noexcept { return slots.find(index_of(data)); }

/// Precondition: the caller holds the slot's lock.
bool is_good(const callback_slot& slot, void* data) noexcept {
    return slot.object != nullptr && slot.generation == generation_of(data) && !slot.has_ended;
}
/// Takes the object out, if the callback has ended and no call is going on; else returns nullptr.
/// Precondition: the caller holds the slot's lock.
callback_object* take_ended(callback_slot& slot) noexcept {
    if (!slot.has_ended || slot.calls != 0)
        return nullptr;
    slot.has_ended = false;
    slot.generation = slot.generation == last_generation_of_slot ? 0 : slot.generation + 1;
    return std::exchange(slot.object, nullptr);
}

/// Returns: the index of a slot that nobody else has.
std::uint32_t take_slot() {
    const holding guard(registry_lock);
    if (first_free != no_slot)
        return std::exchange(first_free, slots[first_free].next_free);
    if (slot_count == table_size)
        throw std::length_error("contextvars: more than 2^20 callbacks exist at once");
    slots.grow_to(slot_count);
    return slot_count++;
}

void give_slot(std::uint32_t index) noexcept {
    const holding guard(registry_lock);
    callback_slot& slot = slots[index];
    if (slot.generation == 0) // its numbers are used up
        return;
    slot.next_free = first_free;
    first_free = index;
}

void destroy(callback_object* object, std::uint32_t index) noexcept {
    if (object == nullptr)
        return;
    give_slot(index);
    object->destroy(object);
}

} // namespace

void* add_callback(callback_object& object) {
    const std::uint32_t index = take_slot();
    callback_slot& slot = *slots.find(index);
    // A call with an old number may look at the slot at any moment.
    const context_lock lock(&slot);
    slot.object = &object;
    return reinterpret_cast<void*>(slot.generation * table_size + index);
}

callback_call::callback_call(void* data) noexcept : data_(data), object_(nullptr) {
    if (callback_slot* const slot = slot_of(data)) {
        const context_lock lock(slot);
        if (is_good(*slot, data)) {
            object_ = slot->object;
            ++slot->calls;
            slot->has_ended = object_->ends_with_call;
        }
    }
    if (object_ == nullptr)
        report_fatal(
            {diagnostic_kind::callback_has_ended,
             "a C library called a callback that has ended; keep what as_callback returned "
             "until the library will not call any more, or hand it over",
             {},
             nullptr,
             "as_callback"});
}

callback_call::~callback_call() {
    callback_object* ended = nullptr;
    {
        callback_slot& slot = *slot_of(data_);
        const context_lock lock(&slot);
        --slot.calls;
        ended = take_ended(slot);
    }
    destroy(ended, index_of(data_));
}

} // namespace detail

void release_callback(void* data) noexcept {
    detail::callback_slot* const slot = detail::slot_of(data);
    if (slot == nullptr)
        return;
    detail::callback_object* ended = nullptr;
    {
        const detail::context_lock lock(slot);
        if (!detail::is_good(*slot, data))
            return;
        slot->has_ended = true;
        ended = detail::take_ended(*slot);
    }
    detail::destroy(ended, detail::index_of(data));
}

} // namespace contextvars::inline v0
