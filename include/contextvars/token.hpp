// SPDX-License-Identifier: MIT
//
// Token<T>: the result of ContextVar<T>::set, and the argument of ContextVar<T>::reset. It can undo
// one set, once, in the context in which that set was made. Dropping a token undoes nothing; the
// guard of ContextVar<T>::scoped does.
//
//     state    reset with its variable   with another variable   in another context
//     fresh    restores; now used        ValueError; fresh       ValueError; fresh
//     used     RuntimeError              RuntimeError            RuntimeError
#ifndef CONTEXTVARS_TOKEN_HPP
#define CONTEXTVARS_TOKEN_HPP

#include <contextvars/detail/variable.hpp>
#include <contextvars/fwd.hpp>

#include <iosfwd>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// Move-only. A moved-from token is a used one without an old value. A token may outlive its
/// context; it may outlive its variable if var() is not called then.
/// Threads: one at a time, on any thread.
template <class T>
class Token final {
public:
    /// Equals old_value() if the variable was missing before the set.
    static constexpr const T* MISSING = nullptr;

    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;

    Token(Token&& other) noexcept : variable_(other.variable_), undo_(other.undo_) {
        other.undo_.state = detail::undo_state::used;
    }

    Token& operator=(Token&& other) noexcept {
        Token moved(std::move(other));
        std::swap(variable_, moved.variable_);
        std::swap(undo_, moved.undo_);
        return *this;
    }

    /// Drops the old value; its destructor may call anything in this library.
    ~Token() {
        if constexpr (!stored_inline<T>)
            if (undo_.had_value())
                detail::release_old_value(undo_);
    }

    /// Precondition: the variable still exists.
    /// Returns: the variable that was set.
    const ContextVar<T>& var() const noexcept {
        CONTEXTVARS_ASSERT(undo_.key == detail::no_key || detail::variable_exists(undo_.key));
        return *variable_;
    }

    /// Returns: the value before the set, never a default; MISSING if there was none. The pointer
    /// is good as long as the token is neither moved nor destroyed, also after the token was used.
    const T* old_value() const noexcept CONTEXTVARS_LIFETIMEBOUND {
        return undo_.had_value() ? detail::value_in<T>(undo_.old_value) : MISSING;
    }

    /// Prints `<Token var=<ContextVar name='v' at 0x…> at 0x…>`, with `used` before `var` if the
    /// token was used.
    friend std::ostream& operator<<(std::ostream& out, const Token& token) {
        const detail::token_parts parts(token.undo_, detail::address_of(token), out);
        if (parts.variable_exists())
            out << token.var();
        return out;
    }

private:
    /// Sets the variable. Throws: std::bad_alloc, std::length_error.
    template <bool of_guard>
    Token(const ContextVar<T>& variable, detail::word value, std::bool_constant<of_guard>)
        : variable_(detail::address_of(variable)) {
        detail::bind<false, of_guard>(variable, value, undo_);
    }
    template <bool of_guard>
    Token(const ContextVar<T>& variable, detail::new_node<T>&& value, std::bool_constant<of_guard>)
        : variable_(detail::address_of(variable)) {
        detail::bind<true, of_guard>(variable, detail::word_of_node(value.get()), undo_);
        value.taken_over();
    }

    const ContextVar<T>* variable_;
    detail::undo undo_; // filled in by bind

    friend class ContextVar<T>;
    friend class Scope<T>;
};

} // namespace contextvars::inline v0

#endif
