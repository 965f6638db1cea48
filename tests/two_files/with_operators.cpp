// SPDX-License-Identifier: MIT
#include "operators.hpp"

using number = int;
#include "file.ipp"

const two_files::file two_files::with_operators = this_file;
