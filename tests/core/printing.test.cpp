// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <iomanip>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::contains;
using contextvars_tests::isolated;
using contextvars_tests::message_of;
using contextvars_tests::RecordedDiagnostics;
using PrintingTest = contextvars_tests::Isolated;

namespace {

struct Opaque { // no <<
    int value;
};
struct Point { // has <<
    int x, y;
    friend std::ostream& operator<<(std::ostream& out, const Point& p) {
        return out << "point(" << p.x << ',' << p.y << ')';
    }
};
struct Secret { // has <<, and its user says that it is not to be used
    std::string text;
    [[maybe_unused]] friend std::ostream& operator<<(std::ostream& out, const Secret& s) {
        return out << s.text;
    }
};
template <class T>
struct Lies { // its << exists for every T and compiles only for some
    std::vector<T> parts;
    using value_type = T;
    auto begin() const { return parts.begin(); }
    auto end() const { return parts.end(); }
    friend std::ostream& operator<<(std::ostream& out, const Lies& lies) {
        for (const T& part : lies.parts) {
            out << part << ';';
        }
        return out;
    }
};

template <class T>
std::string printed(const T& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

/// The text with every address in it replaced by "0x#".
std::string without_addresses(std::string text) {
    for (std::size_t at = 0; (at = text.find("0x", at)) != std::string::npos; at += 3) {
        const std::size_t end = text.find_first_not_of("0123456789abcdef", at + 2);
        text.replace(at + 2, end - (at + 2), end == at + 2 ? "no address" : "#");
    }
    return text;
}

template <class T>
std::string shown(const T& value) {
    return without_addresses(printed(value));
}

} // namespace

template <>
inline constexpr bool contextvars::enable_printing<Secret> = false;

static_assert(cv::enable_printing<int>);
static_assert(cv::enable_printing<std::string>);
static_assert(cv::enable_printing<Point>);
static_assert(cv::enable_printing<Lies<int>>);
static_assert(!cv::enable_printing<Lies<Opaque>>);
static_assert(!cv::enable_printing<Opaque>);
static_assert(!cv::enable_printing<std::vector<Opaque>>);
static_assert(!cv::enable_printing<std::map<int, Opaque>>);
static_assert(!cv::enable_printing<std::pair<int, Opaque>>);
static_assert(!cv::enable_printing<std::tuple<int, Opaque>>);
static_assert(!cv::enable_printing<std::optional<Opaque>>);
static_assert(!cv::enable_printing<std::variant<int, Opaque>>);

TEST_F(PrintingTest, shows_a_variables_name_and_address) {
    cv::ContextVar<int> v{"v"};
    EXPECT_EQ(shown(v), "<ContextVar name='v' at 0x#>");
}

TEST_F(PrintingTest, shows_a_variables_default) {
    cv::ContextVar<int> number{"number", 1};
    cv::ContextVar<Point> point{"point", Point{1, 2}};
    EXPECT_EQ(shown(number), "<ContextVar name='number' default=1 at 0x#>");
    EXPECT_EQ(shown(point), "<ContextVar name='point' default=point(1,2) at 0x#>");
}

TEST_F(PrintingTest, shows_that_there_is_a_default_that_cannot_be_printed) {
    cv::ContextVar<Opaque> v{"v", Opaque{1}};
    const std::string text = shown(v);
    EXPECT_CONTAINS(text, "<ContextVar name='v' default=");
    EXPECT_EQ(text.find("default= "), std::string::npos) << text;
    EXPECT_CONTAINS(text, " at 0x#>");
}

TEST_F(PrintingTest, tells_two_variables_of_the_same_name_apart) {
    cv::ContextVar<int> a{"same"};
    cv::ContextVar<int> b{"same"};
    EXPECT_NE(printed(a), printed(b));
    EXPECT_EQ(printed(a), printed(a));
}

TEST_F(PrintingTest, does_not_show_a_variables_current_value) {
    cv::ContextVar<int> v{"v"};
    const std::string before = printed(v);
    v.set(1);
    EXPECT_EQ(printed(v), before);
}

TEST_F(PrintingTest, shows_a_tokens_variable_and_whether_it_was_used) {
    cv::ContextVar<int> v{"v", 2};
    auto token = v.set(1);
    EXPECT_EQ(shown(token), "<Token var=<ContextVar name='v' default=2 at 0x#> at 0x#>");
    EXPECT_CONTAINS(printed(token), printed(v));
    v.reset(token);
    EXPECT_EQ(shown(token), "<Token used var=<ContextVar name='v' default=2 at 0x#> at 0x#>");
}

TEST_F(PrintingTest, shows_a_token_that_was_moved_from) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    const auto owner = std::move(token);
    EXPECT_CONTAINS(printed(token), "used");
    EXPECT_CONTAINS(printed(owner), printed(v));
}

TEST_F(PrintingTest, shows_a_token_whose_variable_was_destroyed) {
    auto v = std::make_unique<cv::ContextVar<std::string>>("late");
    const auto token = v->set("value");
    v.reset();
    EXPECT_CONTAINS(printed(token), "<Token");
    EXPECT_CONTAINS(printed(token), "late");
    EXPECT_CONTAINS(printed(token), "destroyed");
}

TEST_F(PrintingTest, lists_a_contexts_bindings) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    cv::Context context;
    EXPECT_EQ(shown(context).find("<Context at 0x#"), 0u) << shown(context);
    context.run([&] { number.set(1); });
    EXPECT_EQ(shown(context), "<Context at 0x# {number=1}>");
    context.run([&] { text.set("one"); });
    std::string both = shown(context); // however it quotes a string
    std::erase(both, '"');
    std::erase(both, '\'');
    EXPECT_TRUE(both == "<Context at 0x# {number=1, text=one}>" ||
                both == "<Context at 0x# {text=one, number=1}>")
        << both;
}

TEST_F(PrintingTest, lists_text_between_quotes_and_pointers_to_nothing_by_name) {
    cv::ContextVar<const char*> text{"text"};
    cv::Context context;
    context.run([&] { text.set("none, number=1"); });
    EXPECT_EQ(shown(context), "<Context at 0x# {text='none, number=1'}>");
    context.run([&] { text.set(nullptr); });
    EXPECT_EQ(shown(context), "<Context at 0x# {text=nullptr}>");
}

TEST_F(PrintingTest, shows_the_live_bindings_of_an_entered_context) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] {
        v.set(77);
        EXPECT_CONTAINS(printed(context), "v=77");
    });
}

TEST_F(PrintingTest, shows_something_for_values_that_cannot_be_printed) {
    cv::ContextVar<Opaque> opaque{"opaque"};
    cv::ContextVar<std::vector<Opaque>> many{"many"};
    cv::ContextVar<Lies<Opaque>> lies{"lies"};
    cv::Context context;
    context.run([&] {
        opaque.set({1});
        many.set({{1}, {2}});
        lies.set({});
    });
    const std::string text = printed(context);
    for (const std::string name : {"opaque=", "many=", "lies="}) {
        EXPECT_CONTAINS(text, name);
        EXPECT_FALSE(contains(text, name + ",") || contains(text, name + "}")) << text;
    }
}

TEST_F(PrintingTest, names_the_type_of_a_value_that_cannot_be_printed) {
    cv::ContextVar<Opaque> opaque{"o"};
    opaque.set({1});
    EXPECT_CONTAINS(printed(cv::copy_context()), "Opaque");
}

TEST_F(PrintingTest, uses_a_types_own_output_where_there_is_one) {
    cv::ContextVar<Point> point{"point"};
    cv::ContextVar<Lies<int>> parts{"parts"};
    point.set({3, 4});
    parts.set({{5, 6}});
    EXPECT_CONTAINS(printed(cv::copy_context()), "point=point(3,4)");
    EXPECT_CONTAINS(printed(cv::copy_context()), "parts=5;6;");
}

TEST_F(PrintingTest, does_not_print_what_the_trait_forbids) {
    cv::ContextVar<Secret> v{"v", Secret{"hunter2"}};
    v.set({"hunter2"});
    EXPECT_EQ(printed(cv::copy_context()).find("hunter2"), std::string::npos);
    EXPECT_EQ(printed(v).find("hunter2"), std::string::npos);
}

TEST_F(PrintingTest, marks_the_binding_of_a_destroyed_variable) {
    auto v = std::make_unique<cv::ContextVar<int>>("gone");
    v->set(1);
    const cv::Context context = cv::copy_context();
    EXPECT_EQ(printed(context).find("destroyed"), std::string::npos);
    v.reset();
    EXPECT_CONTAINS(printed(context), "gone");
    EXPECT_CONTAINS(printed(context), "destroyed");
    const auto keys = context.keys();
    EXPECT_CONTAINS(printed(*keys.begin()), "gone");
    EXPECT_CONTAINS(printed(*keys.begin()), "destroyed");
}

TEST_F(PrintingTest, keeps_the_format_of_the_stream_and_does_not_follow_it) {
    cv::ContextVar<int> v{"v", 255};
    v.set(255);
    std::ostringstream out;
    out << std::hex << std::showbase << std::setfill('*');
    out << v << ' ' << cv::copy_context() << ' ' << 255;
    EXPECT_EQ(out.str().substr(out.str().size() - 4), "0xff") << out.str();
    std::ostringstream plain;
    plain << v << 16;
    EXPECT_EQ(plain.str().substr(plain.str().size() - 2), "16") << "<< left the stream in hex";
}

TEST_F(PrintingTest, shows_no_value_of_a_secret_variable_anywhere) {
    const RecordedDiagnostics diagnostics;
    const std::string secret = "hunter2";
    constexpr cv::attributes hidden{.secret = true};
    auto v = std::make_unique<cv::ContextVar<std::string>>("password", secret, hidden);
    cv::ContextVar<std::string> missing{"missing", hidden};
    cv::ContextVar<const char*> text{"text", "hunter2", hidden};
    cv::ContextVar<std::string> other{"other"};
    std::string shown;
    auto token = v->set(secret);
    auto foreign = cv::Context().run([&] { return v->set(secret); });
    text.set("hunter2");
    shown += printed(*v) + printed(text) + printed(missing) + printed(token);
    shown += message_of<cv::LookupError>([&] { missing.get(); });
    shown += message_of<cv::KeyError>([&] { cv::Context()[*v]; });
    shown += message_of<cv::ValueError>([&] { v->reset(foreign); });
    shown += message_of<cv::ValueError>([&] { other.reset(token); });
    auto* scope = new auto(v->scoped(secret));
    isolated([&] { delete scope; });
    for (const auto& told : diagnostics.all())
        shown += told.what + told.variable;
    const cv::Context context = cv::copy_context();
    for (const auto& [variable, value] : context) {
        shown += printed(variable) + printed(value);
        if (const auto* known = value.as<std::string>()) {
            EXPECT_EQ(*known, secret) << "who asks for the value itself has it";
        }
    }
    shown += printed(context);
    EXPECT_CONTAINS(printed(context), "text=<char const*>");
    v->reset(token);
    shown += message_of<cv::RuntimeError>([&] { v->reset(token); });
    v.reset();
    shown += printed(context) + printed(token);
    for (const auto& [variable, value] : context)
        shown += printed(variable) + printed(value);
    EXPECT_FALSE(contains(shown, secret)) << shown;
    EXPECT_CONTAINS(shown, "password");
}

TEST_F(PrintingTest, shows_the_values_of_a_variable_with_the_name_of_a_secret_one) {
    cv::ContextVar<int> open{"same"};
    cv::ContextVar<int> secret{"same", cv::attributes{.secret = true}};
    EXPECT_EQ(shown(cv::Context().with(secret.to(71))), "<Context at 0x# {same=<int>}>");
    EXPECT_EQ(shown(cv::Context().with(open.to(71))), "<Context at 0x# {same=71}>");
}

namespace {

struct Incomplete;
template <class T>
struct Box {
    static_assert(sizeof(T) != 0, "must be complete where this is instantiated");
    T held;
};
void function() {}
struct Member {
    int value;
};
enum Color { red, green };

} // namespace

TEST_F(PrintingTest, shows_pointers_as_addresses_or_text) {
    const auto value_of = []<class T>(std::type_identity<T>, std::type_identity_t<T> value) {
        cv::ContextVar<T> v{"v"};
        const cv::Context context = cv::Context().with(v.to(value));
        return printed(*context.values().begin());
    };
    int number = 0;
    std::ostringstream address;
    address << static_cast<void*>(&number);
    EXPECT_EQ(value_of(std::type_identity<int*>(), &number), address.str());
    EXPECT_EQ(value_of(std::type_identity<const volatile int*>(), &number), address.str());
    EXPECT_EQ(value_of(std::type_identity<void*>(), &number), address.str());
    EXPECT_EQ(value_of(std::type_identity<Box<Incomplete>*>(), nullptr), "nullptr");
    EXPECT_EQ(value_of(std::type_identity<std::nullptr_t>(), nullptr), "nullptr");
    char text[] = "text";
    EXPECT_EQ(value_of(std::type_identity<char*>(), text), "text");
    EXPECT_EQ(value_of(std::type_identity<void (*)()>(), function).substr(0, 2), "0x");
    EXPECT_EQ(value_of(std::type_identity<int Member::*>(), &Member::value).find("<int"), 0u);
    EXPECT_EQ(value_of(std::type_identity<Color>(), green), "1");
}
