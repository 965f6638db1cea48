// SPDX-License-Identifier: MIT
//
// The pieces of the randomised test: variables of several types behind one interface that speaks
// int, and the plain model of contexts that they are held against.
#ifndef CONTEXTVARS_TESTS_SUPPORT_MODEL_HPP
#define CONTEXTVARS_TESTS_SUPPORT_MODEL_HPP

#include <contextvars/contextvars.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace contextvars_tests {

struct Pair8 {
    std::int32_t first, second;
    friend bool operator==(const Pair8&, const Pair8&) = default;
};
struct alignas(64) Aligned64 {
    int value;
    friend bool operator==(const Aligned64&, const Aligned64&) = default;
};

/// How an int becomes a T, and back. A value that is torn or foreign comes back as something else.
template <class T>
struct Coded;
template <>
struct Coded<int> {
    static int make(int i) { return i; }
    static int read(int value) { return value; }
};
template <>
struct Coded<std::string> {
    static std::string make(int i) { return std::to_string(i) + std::string(20, '.'); }
    static int read(const std::string& value) {
        return value.size() > 20 ? std::stoi(value) : -1000;
    }
};
template <>
struct Coded<std::unique_ptr<int>> {
    static std::unique_ptr<int> make(int i) { return std::make_unique<int>(i); }
    static int read(const std::unique_ptr<int>& value) { return *value; }
};
template <>
struct Coded<Pair8> {
    static Pair8 make(int i) { return {i, ~i}; }
    static int read(Pair8 value) { return value.first == ~value.second ? value.first : -2000; }
};
template <>
struct Coded<Aligned64> {
    static Aligned64 make(int i) { return {i}; }
    static int read(const Aligned64& value) {
        return reinterpret_cast<std::uintptr_t>(&value) % 64 == 0 ? value.value : -3000;
    }
};

enum class outcome { ok, used, wrong_variable, wrong_context, wrong_exception };

class AnyToken {
public:
    virtual ~AnyToken() = default;
    virtual std::optional<int> old_value() const = 0;
};

class AnyVariable {
public:
    virtual ~AnyVariable() = default;
    virtual std::unique_ptr<AnyToken> set(int value) = 0;
    virtual std::unique_ptr<AnyToken> emplace(int value) = 0;
    /// nullopt: the token is of a variable of another type, which does not compile.
    virtual std::optional<outcome> reset(AnyToken& token, bool by_exception) = 0;
    virtual std::optional<int> try_get() const = 0;
    virtual std::optional<int> get() const = 0; ///< nullopt where it throws LookupError
    virtual std::optional<int> in(const contextvars::Context& context) const = 0;
    virtual std::shared_ptr<void> scoped(int value) = 0;
};

template <class T>
class VariableOf final : public AnyVariable {
public:
    explicit VariableOf(const std::string& name) : variable_(name) {}

    std::unique_ptr<AnyToken> set(int value) override {
        return std::make_unique<TokenOf>(variable_.set(Coded<T>::make(value)));
    }
    std::unique_ptr<AnyToken> emplace(int value) override {
        return std::make_unique<TokenOf>(variable_.emplace(Coded<T>::make(value)));
    }
    std::optional<outcome> reset(AnyToken& token, bool by_exception) override {
        auto* mine = dynamic_cast<TokenOf*>(&token);
        if (mine == nullptr) {
            return std::nullopt;
        }
        return by_exception ? reset(mine->token) : try_reset(mine->token);
    }
    std::optional<int> try_get() const override { return read(variable_.try_get()); }
    std::optional<int> get() const override {
        try {
            return Coded<T>::read(variable_.get());
        } catch (const contextvars::LookupError&) {
            return std::nullopt;
        }
    }
    std::optional<int> in(const contextvars::Context& context) const override {
        const auto found = read(context.get(variable_));
        return found.has_value() == context.contains(variable_) ? found : -4000;
    }
    std::shared_ptr<void> scoped(int value) override {
        return std::shared_ptr<void>(new auto(variable_.scoped(Coded<T>::make(value))));
    }

private:
    struct TokenOf final : AnyToken {
        explicit TokenOf(contextvars::Token<T> t) : token(std::move(t)) {}
        std::optional<int> old_value() const override {
            return token.old_value() == contextvars::Token<T>::MISSING ? std::nullopt
                                                                       : read(token.old_value());
        }
        contextvars::Token<T> token;
    };

    static std::optional<int> read(const T* value) {
        return value == nullptr ? std::nullopt : std::optional(Coded<T>::read(*value));
    }
    outcome try_reset(contextvars::Token<T>& token) {
        using enum contextvars::reset_result;
        switch (variable_.try_reset(token)) {
        case ok:
            return outcome::ok;
        case used:
            return outcome::used;
        case wrong_variable:
            return outcome::wrong_variable;
        case wrong_context:
            return outcome::wrong_context;
        default:
            return outcome::wrong_exception;
        }
    }
    outcome reset(contextvars::Token<T>& token) {
        try {
            variable_.reset(token);
            return outcome::ok;
        } catch (const contextvars::RuntimeError&) {
            return outcome::used;
        } catch (const contextvars::ValueError& error) {
            return std::string(error.what()).find("different ContextVar") != std::string::npos
                       ? outcome::wrong_variable
                       : outcome::wrong_context;
        } catch (...) {
            return outcome::wrong_exception;
        }
    }

    contextvars::ContextVar<T> variable_;
};

/// The five types in turn; `trivial`: those of them without a destructor, in numbers 0, 3 and 4.
inline std::unique_ptr<AnyVariable> make_variable(int kind, const std::string& name,
                                                  bool trivial = false) {
    switch (trivial && kind % 5 < 3 ? (kind % 5 == 0 ? 0 : 4) : kind % 5) {
    case 0:
        return std::make_unique<VariableOf<int>>(name);
    case 1:
        return std::make_unique<VariableOf<std::string>>(name);
    case 2:
        return std::make_unique<VariableOf<std::unique_ptr<int>>>(name);
    case 3:
        return std::make_unique<VariableOf<Pair8>>(name);
    default:
        return std::make_unique<VariableOf<Aligned64>>(name);
    }
}

/// A context of the model: who it is, and what it binds (variable's number to value).
struct ModelContext {
    int identity = 0;
    bool entered = false;
    std::map<int, int> bindings;
};

/// A token of the model.
struct ModelToken {
    std::unique_ptr<AnyToken> real;
    int variable = 0;
    int context = 0;
    bool used = false;
    std::optional<int> old;
};

} // namespace contextvars_tests

#endif
