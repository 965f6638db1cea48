// SPDX-License-Identifier: MIT
#include "types.hpp"

using number = double;
#include "file.ipp"

const two_files::file two_files::without_operators = this_file;
