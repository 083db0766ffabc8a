# sanyao_embed(TARGET SYMBOL FILE): the bytes of FILE as `const char SYMBOL[]`, zero-terminated, and
# `const size_t SYMBOL_size` without the zero. Declared by hand where they are used.
function(sanyao_embed target symbol file)
  get_filename_component(path "${file}" ABSOLUTE)
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S")
  file(CONFIGURE OUTPUT "${unit}" @ONLY CONTENT [[
    .section .rodata
    .balign 16
    .global @symbol@
    .type @symbol@, %object
@symbol@:
    .incbin "@path@"
@symbol@_end:
    .byte 0
    .size @symbol@, . - @symbol@
    .balign 8
    .global @symbol@_size
    .type @symbol@_size, %object
@symbol@_size:
    .quad @symbol@_end - @symbol@
    .size @symbol@_size, 8
    .section .note.GNU-stack,"",%progbits
]])
  set_source_files_properties("${unit}" PROPERTIES OBJECT_DEPENDS "${path}")
  target_sources(${target} PRIVATE "${unit}")
endfunction()
