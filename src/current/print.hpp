// SPDX-License-Identifier: MIT
//
// How values and variables look in messages and on streams.
#ifndef CONTEXTVARS_SRC_CURRENT_PRINT_HPP
#define CONTEXTVARS_SRC_CURRENT_PRINT_HPP

#include <contextvars/detail/value.hpp>
#include <contextvars/detail/variable.hpp>

#include <ostream>

namespace contextvars::inline v0::detail {

struct thread_state;

/// The value where it can be printed, else its type in angle brackets, as always where it is secret.
void print_value(std::ostream& out, const type_operations& operations, const void* value,
                 bool secret);
/// As print_value, but text is between quotes, so that what stands beside it is not taken for it.
void print_in_list(std::ostream& out, const type_operations& operations, const void* value,
                   bool secret);

/// While one lives, this thread prints a value of a context: contexts in it print without their own
/// bindings, so that the stack does not grow as deep as contexts are nested.
class printing_value {
public:
    printing_value() noexcept;
    printing_value(const printing_value&) = delete;
    printing_value& operator=(const printing_value&) = delete;
    ~printing_value();

    static bool is_going_on() noexcept;

private:
    thread_state* const state_; // nullptr without memory for one, or inside another
};

/// `<ContextVar name='v' at 0x…>` for a key, whose variable may be gone.
void print_variable(std::ostream& out, key_type key);

/// A token, its variable without its default.
void print_token(std::ostream& out, const undo& undo, const void* token);

} // namespace contextvars::inline v0::detail

#endif
