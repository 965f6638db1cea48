// SPDX-License-Identifier: MIT
#include <contextvars/python.hpp>

PyMODINIT_FUNC PyInit_python_consumer() {
    static PyModuleDef definition{};
    definition.m_base = PyModuleDef_HEAD_INIT;
    definition.m_name = "python_consumer";
    return PyModule_Create(&definition);
}
