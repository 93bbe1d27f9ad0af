function __portcullis_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  portcullis complete -- $words[2..] "$typed" 2>/dev/null
end
complete -c portcullis -f -a '(__portcullis_complete)'
