console.log('build: nothing to do yet')
