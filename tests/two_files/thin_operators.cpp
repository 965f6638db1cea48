// SPDX-License-Identifier: MIT
#include "thin_types.hpp"

#include <ostream>

namespace thin {

std::ostream& operator<<(std::ostream& out, const Plain& plain) {
    return out << "plain(" << plain.value << ')';
}
std::ostream& operator<<(std::ostream& out, ByValue value) {
    return out << "by value(" << value.value << ')';
}
std::ostream& operator<<(std::ostream& out, const Friendly& friendly) {
    return out << "friendly(" << friendly.value << ')';
}
std::ostream& operator<<(std::ostream& out, Color color) {
    return out << (color == red ? "red" : "green");
}
std::ostream& operator<<(std::ostream& out, Level level) {
    return out << (level == Level::low ? "low" : "high");
}
std::ostream& operator<<(std::ostream& out, const std::vector<Plain>& many) {
    return out << many.size() << " of them";
}

namespace made_of_all {
std::ostream& operator<<(std::ostream& out, const Type& type) {
    return out << (type.of_mute ? "made of a mute" : "made of nothing");
}
std::ostream& operator<<(std::ostream& out, const Beside& beside) {
    return out << "beside(" << beside.value << ')';
}
} // namespace made_of_all

} // namespace thin
