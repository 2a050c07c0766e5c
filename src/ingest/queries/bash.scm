(function_definition name: (word) @name) @def.function
(program (variable_assignment name: (variable_name) @name) @def.variable)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @def.variable)

((command name: (command_name (word) @call))
  (#not-any-of? @call "." ":" "[" "break" "cd" "continue" "declare" "echo" "eval" "exec" "exit" "export" "false" "local" "printf" "read" "readonly" "return" "set" "shift" "source" "test" "trap" "true" "unset" "wait"))
(command name: (command_name (word) @_source) . argument: (_) @import (#match? @_source "^(source|\\.)$"))
(comment) @comment
