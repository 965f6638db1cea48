// SPDX-License-Identifier: MIT
//
// The layouts and numbers that programs have compiled into themselves, on 64-bit machines. A change here is a
// change of ABI, so the version's minor number grows with it (docs/installing.md). Built with
// -fno-access-control, since most members are private.
#include <contextvars/contextvars.hpp>
#include <contextvars/coroutine.hpp>
#include <contextvars/ext/flow.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>

namespace {

using namespace contextvars;
using namespace contextvars::detail;

static_assert(std::is_same_v<::contextvars::v0::Context, Context>,
              "the inline namespace is in every name");
static_assert(sizeof(void*) == 8, "the numbers below are those of 64 bits");

template <class T>
constexpr bool is(std::size_t size, std::size_t alignment) {
    return sizeof(T) == size && alignof(T) == alignment;
}

// Keys and marks.
static_assert(no_key == 0 && unbound_key == 2 && identity_step == 4);
static_assert(id_of(0xFFFFFFFF'0ABCDE50) == 0xBCDE5);
static_assert(leaf::ways == 16 && branch::ways == 64);
static_assert(map_writer::nobody().bits_ == 1 && map_writer::edition(4).bits_ == 7 &&
              map_writer::edition_bits == 3);

// Maps, as the inline lookup sees them.
static_assert(is<word>(8, 8));
static_assert(is<cell>(16, 8) && offsetof(cell, key) == 0 && offsetof(cell, value) == 8);
static_assert(is<map>(32, 16));
static_assert(offsetof(map, reach) == 0 && offsetof(map, size) == 4 &&
              offsetof(map, references) == 8);
static_assert(offsetof(map, nodes) == 12 && sizeof(map::nodes) == 1 && offsetof(map, rest) == 16 &&
              offsetof(map, writer) == 24);
static_assert(is<empty_map_storage>(48, 16) && offsetof(empty_map_storage, place) == 32);
static_assert(is<trie_part>(8, 4) && offsetof(trie_part, references) == 0 &&
              offsetof(trie_part, shift) == 4);
static_assert(is<leaf>(264, 8) && offsetof(leaf, cells) == 8);
static_assert(is<branch>(520, 8) && offsetof(branch, children) == 8);
static_assert(is<trie>(528, 8) && offsetof(trie, dead) == 520);

// The slots of a thread; their symbols are in symbols.txt.
#if !defined(CONTEXTVARS_SLOT_BY_CALL) && (!defined(__clang__) || defined(__x86_64__))
static_assert(std::is_same_v<decltype(current_map_slot), map*>);
static_assert(std::is_same_v<decltype(top_frame_slot), frame*>);
#endif

// Frames, and what holds them.
static_assert(is<frame>(40, 8) && offsetof(frame, identity) == 0 && offsetof(frame, context) == 8);
static_assert(offsetof(frame, published) == 16 && offsetof(frame, previous) == 24);
static_assert(offsetof(frame, previous_map) == 32);
static_assert(is<copy_frame>(40, 8) && is<sole_entry>(40, 8) && is<Entered>(40, 8) &&
              is<pinned_map>(8, 8));
static_assert(is<ext::snapshot>(8, 8) && is<ext::copy_scope>(40, 8) && is<ext::flow_scope>(8, 8));
static_assert(is<Callback<void(void*)>>(8, 8) && is<callback_object>(24, 8) &&
              is<callback_call>(16, 8));
static_assert(offsetof(callback_object, call) == 0 && offsetof(callback_object, destroy) == 8 &&
              offsetof(callback_object, ends_with_call) == 16);
static_assert(is<ext::flow>(40, 8) && offsetof(ext::flow, frame_) == 0);
static_assert(is<promise_flow>(64, 8) && offsetof(promise_flow, flow) == 48 &&
              offsetof(promise_flow, root) == 56);

// Values in nodes.
static_assert(is<node_head>(16, 16) && offsetof(node_head, references) == 0 &&
              offsetof(node_head, operations) == 8);
static_assert(offset_in_node<std::string> == 16 && block_class(32) == 0 && block_class(33) == 1);
static_assert(is<type_operations>(64, 8));
static_assert(offsetof(type_operations, type) == 0 &&
              offsetof(type_operations, offset_in_node) == 8);
static_assert(offsetof(type_operations, size_of_node) == 16 &&
              offsetof(type_operations, class_of_node) == 24);
static_assert(offsetof(type_operations, in_node) == 32 && offsetof(type_operations, destroy) == 40);
static_assert(offsetof(type_operations, equal) == 48 && offsetof(type_operations, print) == 56);
static_assert(stored_inline<int> && stored_inline<double> && stored_inline<void*>);
static_assert(!stored_inline<std::string> && !stored_inline<std::unique_ptr<int>>);

// Variables and tokens.
static_assert(is<attributes>(2, 1) && offsetof(attributes, secret) == 0 &&
              offsetof(attributes, captured) == 1);
static_assert(static_cast<int>(capture_policy::never) == 1);
static_assert(is<variable>(40, 8) && offsetof(variable, key_) == 0 &&
              offsetof(variable, operations_) == 8);
static_assert(offsetof(variable, name_) == 16 && offsetof(variable, owns_name_) == 32);
static_assert(offsetof(variable, attributes_) == 33);
static_assert(is<undo>(32, 8) && offsetof(undo, key) == 0 && offsetof(undo, context) == 8);
static_assert(offsetof(undo, old_value) == 16 && offsetof(undo, state) == 24);
static_assert(static_cast<int>(undo_state::used) == 0 &&
              static_cast<int>(undo_state::used_after_value) == 1);
static_assert(static_cast<int>(undo_state::removes) == 2 &&
              static_cast<int>(undo_state::restores) == 3);
static_assert(static_cast<int>(reset_result::ok) == 0 && static_cast<int>(reset_no_memory) == 4);
static_assert(is<token_parts>(24, 8) && offsetof(token_parts, exists_) == 16);

template <class T>
constexpr bool has_default_at(std::size_t offset, std::size_t size) {
    return is<ContextVar<T>>(size, 8) && offsetof(ContextVar<T>, default_) == offset;
}
static_assert(has_default_at<bool>(35, 40) && has_default_at<int>(36, 48) &&
              has_default_at<double>(40, 56));
static_assert(has_default_at<std::string>(40, 80) && has_default_at<std::unique_ptr<int>>(40, 56));

template <class T>
constexpr bool is_a_token() {
    return is<Token<T>>(40, 8) && offsetof(Token<T>, variable_) == 0 &&
           offsetof(Token<T>, undo_) == 8 && is<Scope<T>>(40, 8);
}
static_assert(is_a_token<bool>() && is_a_token<int>() && is_a_token<double>() &&
              is_a_token<std::string>());

// Contexts, and what ranges over them.
static_assert(is<Context>(16, 8) && offsetof(Context, bindings_) == 0 &&
              offsetof(Context, state_) == 8);
static_assert(is<variable_ref>(8, 8) && is<value_ref>(24, 8) && is<binding>(32, 8));
static_assert(offsetof(value_ref, value_) == 8 && offsetof(value_ref, secret_) == 16);
static_assert(offsetof(binding, value) == 8 && is<shared_snapshot>(8, 8));

// What the hook is given.
static_assert(is<diagnostic>(64, 8) && offsetof(diagnostic, kind) == 0 &&
              offsetof(diagnostic, what) == 8);
static_assert(offsetof(diagnostic, variable) == 24 && offsetof(diagnostic, context) == 40);
static_assert(offsetof(diagnostic, where) == 48);
static_assert(static_cast<int>(diagnostic_kind::module_not_kept) == 5);
static_assert(static_cast<int>(diagnostic_kind::set_in_event_loop) == 6);
static_assert(static_cast<int>(diagnostic_kind::scope_in_event_loop) == 7);
static_assert(static_cast<int>(diagnostic_kind::callback_has_ended) == 8);

} // namespace
