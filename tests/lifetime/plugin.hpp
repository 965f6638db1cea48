// SPDX-License-Identifier: MIT
//
// What the plug-ins use of the program that loads them.
#ifndef CONTEXTVARS_TESTS_LIFETIME_PLUGIN_HPP
#define CONTEXTVARS_TESTS_LIFETIME_PLUGIN_HPP

#include <contextvars/context_var.hpp>

#include <string>

__attribute__((visibility("default"))) contextvars::ContextVar<std::string>& programs_variable();
__attribute__((visibility("default"))) void wait_for_a_thread_that_binds();

#endif
