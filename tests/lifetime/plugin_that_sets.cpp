// SPDX-License-Identifier: MIT
//
// A plug-in that has no variables, and sets one of the program's.
#include "plugin.hpp"

extern "C" __attribute__((visibility("default"))) void set_variables() {
    programs_variable().set("set by a plug-in, and too long for the small string buffer");
}
