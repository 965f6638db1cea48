// SPDX-License-Identifier: MIT
//
// One of the two files.
#include "thin_types.hpp"

namespace {

using contextvars::ContextVar;

ContextVar<thin::Plain> plain("plain");
ContextVar<thin::ByValue> by_value("by value");
ContextVar<thin::Friendly> friendly("friendly");
ContextVar<thin::OfBase> of_base("of base");
ContextVar<thin::Color> color("color");
ContextVar<thin::Level> level("level");
ContextVar<std::vector<thin::Plain>> many("many");
ContextVar<thin::Templated> templated("templated");
ContextVar<thin::Derived> derived("derived");
ContextVar<thin::Holder<int>> holder("holder");
ContextVar<thin::takes_all::Type> all("all");
ContextVar<thin::takes_all_values::Type> all_values("all values");
ContextVar<thin::made_of_all::Beside> beside("beside");
ContextVar<thin::made_of_all::Mute> mute("mute");
ContextVar<std::error_code> error("error");
ContextVar<std::bitset<4>> bits("bits");
ContextVar<std::pmr::string> text("text");
ContextVar<double> number("number");

contextvars::Context bind() {
    return contextvars::Context().with(
        plain.to({1}), by_value.to({2}), friendly.to({3}), of_base.to({{4}}), color.to(thin::green),
        level.to(thin::Level::high), many.to({{5}, {6}}), templated.to({7}), derived.to({{8}}),
        holder.to({9}), all.to({10}), all_values.to({11}), beside.to({12}), mute.to({}),
        error.to(std::make_error_code(std::errc::invalid_argument)), bits.to(5), text.to("text"),
        number.to(1.5));
}

} // namespace
