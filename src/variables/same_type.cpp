// SPDX-License-Identifier: MIT
//
// Finds out from the name of a type whether the type belongs to one file, by the mangling that g++
// and clang share. `_GLOBAL__N_1` is an anonymous namespace, `$_0` is one of clang's closures, and
// an L before the name of a function says that the function is static (ZL1fvE1X: the X in f;
// N2nsL1fE: ns::f). If that cannot be told for sure, the answer is yes: two types that are held
// different are never confused.
#include <contextvars/detail/value.hpp>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace contextvars::inline v0::detail {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Takes the number at the beginning of `rest`, and skips it. Returns: the number.
std::size_t take_number(std::string_view& rest) noexcept {
    std::size_t number = 0;
    while (!rest.empty() && is_digit(rest.front())) {
        number = number * 10 + static_cast<std::size_t>(rest.front() - '0');
        rest.remove_prefix(1);
    }
    return number;
}

/// Whether `rest`, which follows an L, is the rest of a constant of an enumeration: the name of the
/// type, as 5Color, the number, and E.
bool is_enumerator(std::string_view rest) noexcept {
    const std::size_t length = take_number(rest);
    if (length >= rest.size())
        return false;
    rest.remove_prefix(length);
    if (rest.front() == 'n')
        rest.remove_prefix(1);
    if (rest.empty() || !is_digit(rest.front()))
        return false;
    take_number(rest);
    return rest.starts_with('E');
}

} // namespace

bool is_named_in_one_file(const char* mangled) noexcept {
    std::string_view rest = mangled;
    char before = 0;
    while (!rest.empty()) {
        const char now = rest.front();
        if (is_digit(now)) {
            const std::size_t length = take_number(rest);
            // If it is not the length of a name, it is the number of a closure, a substitution, a
            // bound or a constant.
            const bool is_name = length != 0 && length <= rest.size() &&
                                 !(before == 'E' && (rest.front() == 'E' || rest.front() == '_')) &&
                                 !(before == 'A' && rest.front() == '_');
            if (!is_name) {
                before = now;
                continue;
            }
            const std::string_view name = rest.substr(0, length);
            if (name.starts_with("_GLOBAL__N_") || name.starts_with("$_"))
                return true;
            rest.remove_prefix(length);
            // The number among several locals of this name: _0, or __10_.
            if (rest.size() > 1 && rest[0] == '_' && is_digit(rest[1]))
                rest.remove_prefix(2);
            before = 0;
            continue;
        }
        rest.remove_prefix(1);
        if (now == 'L' && !rest.empty()) {
            if (is_digit(rest.front())) {
                if (before == 'Z' || !is_enumerator(rest))
                    return true;
            } else if (std::islower(static_cast<unsigned char>(rest.front())) != 0) {
                // A constant of a type whose code is a letter, as Li5E.
                rest.remove_prefix(std::min(rest.find('E'), rest.size()));
            }
        } else if ((now == 'S' || now == 'T') && !rest.empty() &&
                   (rest.front() == '_' || is_digit(rest.front()) ||
                    (now == 'S' && std::isupper(static_cast<unsigned char>(rest.front())) != 0))) {
            rest.remove_prefix(std::min(rest.find('_'), rest.size()));
        } else if (now == '$') {
            return true;
        }
        before = now;
    }
    return false;
}

} // namespace contextvars::inline v0::detail
