// SPDX-License-Identifier: MIT
//
// The printing of values and variables, in messages and on streams.
#ifndef CONTEXTVARS_SRC_CURRENT_PRINT_HPP
#define CONTEXTVARS_SRC_CURRENT_PRINT_HPP

#include <contextvars/detail/map.hpp>
#include <contextvars/detail/value.hpp>
#include <contextvars/detail/variable.hpp>

#include <ostream>

namespace contextvars::inline v0::detail {

struct frame;
struct thread_state;

/// Prints the value if it can be printed and is not secret; else its type in angle brackets.
void print_value(std::ostream& out, const type_operations& operations, const void* value,
                 bool secret);
/// As print_value, but text is between quotes, so that it is not confused with the text beside it.
void print_in_list(std::ostream& out, const type_operations& operations, const void* value,
                   bool secret);

/// While such an object lives, this thread prints a value of a context. Contexts in that value
/// print without their own bindings, so that the stack does not grow as deep as contexts are
/// nested.
class printing_value {
public:
    printing_value() noexcept;
    printing_value(const printing_value&) = delete;
    printing_value& operator=(const printing_value&) = delete;
    ~printing_value();

    static bool is_going_on() noexcept;

private:
    thread_state* const state_; // nullptr if there is no memory, or inside another
};

/// Prints `<ContextVar name='v' at 0x…>` for a key, whose variable may be gone.
void print_variable(std::ostream& out, key_type key);

/// Prints a binding: `user='ann'`; if the variable is gone, it says so.
void print_binding(std::ostream& out, const cell& bound);

/// Prints the context that a frame has entered: its address, or its kind. nullptr is the thread's
/// base context.
void print_frame(std::ostream& out, const frame* frame);

/// Prints a token, and its variable without the default.
void print_token(std::ostream& out, const undo& undo, const void* token);

} // namespace contextvars::inline v0::detail

#endif
