_portcullis() {
  local line
  local -a completions
  while IFS= read -r line; do
    completions+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done < <(portcullis complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe portcullis completions || _files
}
compdef _portcullis portcullis
