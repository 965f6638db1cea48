// SPDX-License-Identifier: MIT
//
// Keys: dense ids that are used again, made unique by a generation (see detail/map.hpp).
//
// A variable is given its key under a lock when it is first bound. It gives the id back when it is
// destroyed, but a map may bind it for longer. So the name and the type, which a key must tell for
// ever, are not kept with the id. They are interned as a descriptor, whose index is part of the
// key. A program has as many descriptors as pairs of names and types, which are mostly literals in
// its source. None is ever freed.
//
// These tables are read without the lock:
//     ids          variable_of(), name_of() of a lost name
//     descriptors  name_of(), operations_of_key(), is_secret()
// Both grow in chunks that never move. A reader has a key, but perhaps does not see the writes
// before it: a thread that finds a variable's key by a relaxed load, say, has not synchronised with
// the thread that assigned it. So a reader looks whether the entry is complete, with acquire. If it
// is not, the reader takes the lock once, which orders it after the thread that wrote the key.
// Everything else (`indices`, `names`, counts, the list of free ids) is read and written under the
// lock.
#include "variables/registry.hpp"

#include "process/locks.hpp"
#include "process/memory.hpp"
#include "process/modules.hpp"
#include "process/table.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace contextvars::inline v0::detail {

namespace {

constexpr std::uint32_t last_generation = (1U << 20) - 1;
constexpr std::uint32_t none = ~0U;
constexpr std::uint32_t kept_for_lost_names = 4096;
constexpr std::string_view lost_name = "?";

struct entry_of_id {
    // The key and the address are read without the lock. The address is stored before the key, and
    // the key is cleared before the address. So a reader that sees its key sees the right address
    // or nullptr. For that each store is a release and each load an acquire: on one thread, what
    // follows an acquire stays behind it, and what precedes a release stays before it.
    std::atomic<key_type> key{no_key};
    std::atomic<const void*> variable{nullptr};
    std::atomic<const std::string_view*> name{nullptr}; ///< if the descriptor has none
    std::uint32_t generation = 0;
    std::uint32_t next_free = none;
};

struct descriptor {
    std::string_view name;
    const type_operations* operations = nullptr;
    attributes said{};

    friend bool operator==(const descriptor&, const descriptor&) = default;
};

struct interned {
    descriptor described;
    std::atomic<bool> is_complete{false};
};

struct descriptor_hash {
    std::size_t operator()(const descriptor& descriptor) const {
        return std::hash<std::string_view>{}(descriptor.name) ^
               (std::hash<const void*>{}(descriptor.operations) << 1);
    }
};

using descriptor_indices =
    std::unordered_map<descriptor, std::uint32_t, descriptor_hash, std::equal_to<>,
                       permanent_memory<std::pair<const descriptor, std::uint32_t>>>;

using name_set = std::unordered_set<std::string_view, std::hash<std::string_view>, std::equal_to<>,
                                    permanent_memory<std::string_view>>;

// All of this is constant-initialised and never destroyed: variables are bound before main and
// destroyed after it.
constinit table<entry_of_id> ids;
constinit table<interned> descriptors;
constinit std::uint32_t id_count = 0;
constinit std::uint32_t descriptor_count = 0;
constinit std::uint32_t first_free_id = none;
constinit descriptor_indices* indices = nullptr;
constinit name_set* names = nullptr;

std::uint32_t descriptor_of(key_type key) noexcept {
    return static_cast<std::uint32_t>(key >> 24) & 0xFFFFF;
}

/// Returns: the same name, which stays for ever.
const std::string_view& keep(std::string_view name) {
    name_set& kept = permanent(names);
    if (const auto found = kept.find(name); found != kept.end())
        return *found;
    auto* const characters = static_cast<char*>(need_permanent_memory(name.size() + 1));
    std::memcpy(characters, name.data(), name.size());
    return *kept.emplace(characters, name.size()).first;
}

std::uint32_t intern(std::string_view name, const type_operations& operations, attributes said) {
    descriptor_indices& known = permanent(indices);
    if (const auto found = known.find({name, &operations, said}); found != known.end())
        return found->second;
    // If a program makes up a million names, it loses those of further variables once these are
    // gone, and nothing else. One descriptor for each type is kept for that.
    const bool lost = name.data() == lost_name.data();
    if (descriptor_count >= table_size - kept_for_lost_names && !lost)
        return intern(lost_name, operations, said);
    if (descriptor_count == table_size)
        throw std::length_error("contextvars: more than 2^20 names and types of variables");
    descriptors.grow_to(descriptor_count);
    const descriptor described{lost ? lost_name : keep(name), &operations, said};
    known.emplace(described, descriptor_count);
    interned& made = descriptors[descriptor_count];
    made.described = described;
    // Release: pairs with the acquire in described_by().
    made.is_complete.store(true, std::memory_order_release);
    return descriptor_count++;
}

bool is_lost(const descriptor& described) noexcept {
    return described.name.data() == lost_name.data();
}

const descriptor& described_by(key_type key) noexcept {
    const std::uint32_t index = descriptor_of(key);
    const interned* const found = descriptors.find(index);
    if (found != nullptr && found->is_complete.load(std::memory_order_acquire)) [[likely]]
        return found->described;
    const holding guard(registry_lock);
    return descriptors[index].described;
}

/// Calls read(entry) if the key's variable exists; else returns {}.
template <class Read>
auto read_entry(key_type key, const Read& read) noexcept -> decltype(read(ids[0])) {
    const auto look = [&](const entry_of_id& entry) {
        const auto result = read(entry);
        return entry.key.load(std::memory_order_acquire) == key ? result : nullptr;
    };
    if (const entry_of_id* const entry = ids.find(id_of(key)))
        if (const auto result = look(*entry))
            return result;
    // The variable is gone, or this thread does not see it yet.
    const holding guard(registry_lock);
    return look(ids[id_of(key)]);
}

std::uint32_t take_id() {
    if (first_free_id != none)
        return std::exchange(first_free_id, ids[first_free_id].next_free);
    if (id_count == table_size)
        throw std::length_error("contextvars: more than 2^20 variables are bound at once");
    ids.grow_to(id_count);
    return id_count++;
}

} // namespace

std::string_view name_of(key_type key) noexcept {
    const descriptor& described = described_by(key);
    if (!is_lost(described))
        return described.name;
    const std::string_view* const name = read_entry(
        key, [](const entry_of_id& entry) { return entry.name.load(std::memory_order_acquire); });
    return name != nullptr ? *name : described.name;
}

const type_operations& operations_of_key(key_type key) noexcept {
    return *described_by(key).operations;
}

bool is_secret(key_type key) noexcept { return described_by(key).said.secret; }

const void* variable_of(key_type key) noexcept {
    return read_entry(key, [](const entry_of_id& entry) {
        return entry.variable.load(std::memory_order_acquire);
    });
}

bool variable_exists(key_type key) noexcept { return variable_of(key) != nullptr; }

/// The operations of the registry on variables.
struct registry {
    static key_type assign_key(const variable& variable) {
        keep_modules_loaded(*variable.operations_);
        const holding guard(registry_lock);
        // Relaxed: keys are stored under this lock.
        if (variable.key_.load(std::memory_order_relaxed) != unbound_key)
            return variable.key_.load(std::memory_order_relaxed);
        const std::uint32_t described =
            intern(variable.name_, *variable.operations_, variable.attributes_);
        const bool lost = is_lost(descriptors[described].described);
        const std::string_view* const name = lost ? &keep(variable.name_) : nullptr;
        const std::uint32_t id = take_id();
        entry_of_id& entry = ids[id];
        ++entry.generation;
        const key_type key = (variable.operations_->in_node ? 1U : 0U) |
                             (variable.attributes_.captured == capture_policy::never ? 4U : 0U) |
                             key_type{id} << 4 | key_type{described} << 24 |
                             key_type{entry.generation} << 44;
        entry.name.store(name, std::memory_order_release);
        entry.variable.store(&variable, std::memory_order_release);
        entry.key.store(key, std::memory_order_release);
        // Release: nothing in the library pairs with it. But a variable that is shared without
        // other synchronisation can then be used as soon as its key is seen.
        variable.key_.store(key, std::memory_order_release);
        return key;
    }

    static void retire(key_type key) noexcept {
        const holding guard(registry_lock);
        const std::uint32_t id = id_of(key);
        entry_of_id& entry = ids[id];
        entry.key.store(no_key, std::memory_order_release);
        entry.variable.store(nullptr, std::memory_order_release);
        if (entry.generation != last_generation) {
            entry.next_free = first_free_id;
            first_free_id = id;
        }
    }

    static void copy_name(variable& variable, std::string_view name) {
        if (name.empty())
            return;
        auto* characters = static_cast<char*>(need_memory(name.size()));
        std::memcpy(characters, name.data(), name.size());
        variable.name_ = {characters, name.size()};
        variable.owns_name_ = true;
    }

    static void destroy(variable& variable) noexcept {
        if (const key_type key = variable.key(); key != unbound_key)
            retire(key);
        if (variable.owns_name_)
            give_memory(const_cast<char*>(variable.name_.data()));
    }
};

void variable::copy_name(std::string_view name) { registry::copy_name(*this, name); }
key_type variable::assign_key() const { return registry::assign_key(*this); }
variable::~variable() { registry::destroy(*this); }

} // namespace contextvars::inline v0::detail
