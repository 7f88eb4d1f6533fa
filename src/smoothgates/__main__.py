from smoothgates.cli import main

main()
