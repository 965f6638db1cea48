// SPDX-License-Identifier: MIT
#include <contextvars/opentelemetry.hpp>

int main() { contextvars::opentelemetry::install_storage(); }
