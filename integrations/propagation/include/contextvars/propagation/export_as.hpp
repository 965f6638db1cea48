// SPDX-License-Identifier: MIT
//
// export_as(variable, "tenant"): lets a variable of the program leave the process, as a member of
// the baggage. Without it no variable does.
#ifndef CONTEXTVARS_PROPAGATION_EXPORT_AS_HPP
#define CONTEXTVARS_PROPAGATION_EXPORT_AS_HPP

#include <contextvars/context.hpp>
#include <contextvars/propagation/fault.hpp>

#include <charconv>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace contextvars::inline v0::propagation {

/// How a T becomes text, and text a T. Specialise it, or give export_as() an object with these two
/// members. `decode` gets text from outside: it returns nothing if it does not take it, and throws
/// nothing but std::bad_alloc.
template <class T>
struct codec;

/// Text goes as it is.
template <>
struct codec<std::string> {
    std::string encode(const std::string& value) const { return value; }
    std::optional<std::string> decode(std::string_view text) const { return std::string(text); }
};

/// Integers go as decimal digits, and are dropped if they do not fit into T.
template <std::integral T>
    requires(!std::same_as<T, bool>)
struct codec<T> {
    std::string encode(T value) const { return std::to_string(value); }
    std::optional<T> decode(std::string_view text) const noexcept {
        T value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size())
            return std::nullopt;
        return value;
    }
};

/// A type that can be the second argument of export_as() for a ContextVar<T>.
template <class C, class T>
concept codec_of = requires(const C& codec, const T& value, std::string_view text) {
    { codec.encode(value) } -> std::convertible_to<std::string>;
    { codec.decode(text) } -> std::convertible_to<std::optional<T>>;
};

namespace detail {

class exported {
public:
    explicit exported(std::string key) : key_(std::move(key)) {}
    exported(const exported&) = delete;
    exported& operator=(const exported&) = delete;
    virtual ~exported() = default;

    const std::string& key() const noexcept { return key_; }
    /// Returns: the variable's value there, encoded; nothing if it is not bound.
    virtual std::optional<std::string> read(const Context& context) const = 0;
    /// Sets the variable in the current context.
    /// Returns: whether the codec takes the text.
    virtual bool set(std::string_view text) const = 0;

private:
    std::string key_;
};

template <class T, class Codec>
class exported_variable final : public exported {
public:
    exported_variable(const ContextVar<T>& variable, std::string key, Codec codec)
        : exported(std::move(key)), variable_(variable), codec_(std::move(codec)) {}

    std::optional<std::string> read(const Context& context) const override {
        const T* const value = context.get(variable_);
        if (value == nullptr)
            return std::nullopt;
        return codec_.encode(*value);
    }
    bool set(std::string_view text) const override {
        std::optional<T> value = codec_.decode(text);
        if (!value)
            return false;
        variable_.set(*std::move(value));
        return true;
    }

private:
    const ContextVar<T>& variable_;
    Codec codec_;
};

CONTEXTVARS_EXPORT void add_exported(std::shared_ptr<const exported> what);
CONTEXTVARS_EXPORT void remove_exported(const exported* what) noexcept;

} // namespace detail

/// While it lives, the variable leaves the process. export_as() makes it.
class [[nodiscard("the variable leaves the process for as long as this object lives")]] Export {
public:
    explicit Export(std::shared_ptr<const detail::exported> what) : what_(what.get()) {
        detail::add_exported(std::move(what));
    }
    Export(const Export&) = delete;
    Export& operator=(const Export&) = delete;
    ~Export() { detail::remove_exported(what_); }

private:
    const detail::exported* what_;
};

/// From now on inject() sends the variable, if it is bound, as the member `key` of the baggage (a
/// default is not sent); and extract(), if the edge trusts baggage, sets it. If it is not bound, no
/// member of that key is sent. A program does this once, at its start.
/// Precondition: the variable outlives the object that is returned; and no other thread injects or
/// extracts when that object ends.
/// Throws: ValueError if the key is no token of HTTP; RuntimeError if it is exported already;
/// std::bad_alloc.
/// Threads: any.
template <class T, codec_of<T> Codec = codec<T>>
Export export_as(const ContextVar<T>& variable, std::string_view key, Codec codec = {}) {
    return Export(std::make_shared<const detail::exported_variable<T, Codec>>(
        variable, std::string(key), std::move(codec)));
}

} // namespace contextvars::inline v0::propagation

#endif
